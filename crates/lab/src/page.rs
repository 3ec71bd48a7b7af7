//! What the script calls, as plain functions of WebAssembly.
//!
//! A worker has a module, a module one run. What goes in and comes out as bytes
//! (texts in UTF-8, numbers in little endian) lies in one buffer: `room` makes
//! it as long as what the script wants to write there, and after a call `place`
//! and `length` tell where the answer is. A call says `true`, or `false` if the
//! answer is a sentence that says what is wrong. So nothing here is unsafe but
//! the names.
//!
//! Only for WebAssembly: a native program that exported such names could put
//! them in the place of the C library's.

use std::cell::{Cell, RefCell};
use std::panic::set_hook;

use microgpt::gpt::GptConfig;
use microgpt::training::{LrSchedule, TrainConfig, split};

use crate::{Choice, Lab, Result, count_and_write, ladder, sentence};

thread_local! {
    static LAB: RefCell<Option<Lab>> = const { RefCell::new(None) };
    static BYTES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static WATCHED: Cell<bool> = const { Cell::new(false) };
}

/// What the script has written.
fn given() -> Vec<u8> {
    BYTES.take()
}

fn text() -> Result<String> {
    Ok(String::from_utf8(given())?)
}

/// The same as a text of so many bytes, and what follows it.
fn text_and_more(first: usize) -> Result<(String, Vec<u8>)> {
    let mut bytes = given();
    let more = bytes.split_off(first.min(bytes.len()));
    Ok((String::from_utf8(bytes)?, more))
}

fn answer(result: Result<Vec<u8>>) -> bool {
    let fine = result.is_ok();
    let said = |error: Box<dyn std::error::Error>| sentence(&*error);
    BYTES.set(result.unwrap_or_else(|error| said(error).into_bytes()));
    fine
}

fn bytes<const N: usize>(numbers: impl Iterator<Item = [u8; N]>) -> Vec<u8> {
    numbers.flatten().collect()
}

fn floats<'a>(numbers: impl IntoIterator<Item = &'a f32>) -> Vec<u8> {
    bytes(numbers.into_iter().map(|x| x.to_le_bytes()))
}

fn doubles(numbers: impl IntoIterator<Item = f64>) -> Vec<u8> {
    bytes(numbers.into_iter().map(f64::to_le_bytes))
}

/// Has the run, if there is one, answer.
fn ask(question: impl FnOnce(&mut Lab) -> Result<Vec<u8>>) -> bool {
    LAB.with_borrow_mut(|lab| {
        let lab = lab.as_mut().ok_or("there is no run yet".into());
        answer(lab.and_then(question))
    })
}

/// Makes a run, whose numbers are told: parameters, blocks, heads, width,
/// context, step, steps, and characters to train and to validate with.
fn begin_with(make: impl FnOnce() -> Result<Lab>) -> bool {
    LAB.set(None); // its memory is given back first
    answer(make().map(|lab| {
        let model = &lab.trainer.model;
        let GptConfig { n_layer, n_head, n_embd, block_size, .. } =
            model.config();
        let (train, validation) = split(&lab.ids);
        let told = [
            model.num_params(),
            n_layer,
            n_head,
            n_embd,
            block_size,
            lab.trainer.step,
            lab.trainer.config().schedule.steps,
            train.len(),
            validation.len(),
        ];
        let told = doubles(told.map(|n| n as f64));
        LAB.set(Some(lab));
        told
    }))
}

#[unsafe(no_mangle)]
extern "C" fn room(n: usize) -> *mut u8 {
    if !WATCHED.replace(true) {
        // A panic ends in a trap, which has no text: it is left in the buffer
        set_hook(Box::new(|panic| BYTES.set(panic.to_string().into_bytes())));
    }
    BYTES.set(vec![0; n]);
    BYTES.with_borrow_mut(|bytes| bytes.as_mut_ptr())
}

#[unsafe(no_mangle)]
extern "C" fn place() -> *const u8 {
    BYTES.with_borrow(|bytes| bytes.as_ptr())
}

#[unsafe(no_mangle)]
extern "C" fn length() -> usize {
    BYTES.with_borrow(Vec::len)
}

/// Panics, for the test of what then reaches the page.
#[unsafe(no_mangle)]
extern "C" fn panic() {
    panic!("{}", String::from_utf8_lossy(&given()));
}

/// Takes a text.
#[unsafe(no_mangle)]
extern "C" fn begin(
    n_layer: usize,
    n_head: usize,
    n_embd: usize,
    block_size: usize,
    batch_size: usize,
    steps: usize,
    max_lr: f32,
    max_norm: f32,
    average: f32,
    eval_interval: usize,
    seed: u32,
    seed_of_batches: u32,
) -> bool {
    let vocab_size = 0; // the text's
    begin_with(|| {
        let sizes =
            GptConfig { n_layer, n_head, n_embd, block_size, vocab_size };
        let config = TrainConfig {
            batch_size,
            schedule: LrSchedule::new(max_lr, steps),
            max_norm,
            average,
            eval_interval,
            seed: seed_of_batches.into(),
            ..TrainConfig::default()
        };
        Lab::new(&text()?, sizes, config, seed.into())
    })
}

/// Takes a file.
#[unsafe(no_mangle)]
extern "C" fn open() -> bool {
    begin_with(|| Lab::open(&given()))
}

/// Takes the text of a run that comes from a file.
#[unsafe(no_mangle)]
extern "C" fn go_on_with() -> bool {
    ask(|lab| lab.go_on_with(&text()?).map(|()| Vec::new()))
}

/// Gives a file.
#[unsafe(no_mangle)]
extern "C" fn save() -> bool {
    ask(|lab| lab.save())
}

#[unsafe(no_mangle)]
extern "C" fn forget_moments() -> bool {
    ask(|lab| {
        lab.forget_moments();
        Ok(Vec::new())
    })
}

/// Takes steps; gives of each the loss, the gradient's length and the rate.
#[unsafe(no_mangle)]
extern "C" fn steps(n: usize) -> bool {
    ask(|lab| {
        let mut told = Vec::with_capacity(3 * n);
        for _ in 0..n {
            let report = lab.step()?;
            told.extend([report.loss, report.grad_norm, report.lr]);
        }
        Ok(floats(&told))
    })
}

/// Gives the validation loss.
#[unsafe(no_mangle)]
extern "C" fn evaluate() -> bool {
    ask(|lab| Ok(doubles([lab.evaluate()?])))
}

/// Gives the characters, in the order of their ids.
#[unsafe(no_mangle)]
extern "C" fn vocabulary() -> bool {
    ask(|lab| {
        let characters = lab.tokenizer().vocabulary().iter();
        Ok(characters.collect::<String>().into_bytes())
    })
}

/// Takes a text, gives the logits of what follows it.
#[unsafe(no_mangle)]
extern "C" fn logits() -> bool {
    ask(|lab| Ok(floats(&lab.logits(&text()?)?)))
}

/// Takes a text; gives the candidates, each as its id and its probability.
#[unsafe(no_mangle)]
extern "C" fn candidates(temperature: f32, top_k: usize, top_p: f32) -> bool {
    ask(|lab| {
        let choice = Choice::new(temperature, top_k, top_p)?;
        let candidates = choice.candidates(&lab.logits(&text()?)?);
        let pairs = candidates.iter().flat_map(|&(id, p)| [f32::from(id), p]);
        Ok(floats(&pairs.collect::<Vec<_>>()))
    })
}

/// Takes a beginning, gives what follows. A seed of -1 goes on in the random
/// numbers of the weights.
#[unsafe(no_mangle)]
extern "C" fn generate(
    count: usize,
    temperature: f32,
    top_k: usize,
    top_p: f32,
    seed: i32,
) -> bool {
    ask(|lab| {
        let choice = Choice::new(temperature, top_k, top_p)?;
        let seed = u64::try_from(seed).ok();
        let written = lab.generate(&text()?, count, choice, seed)?;
        Ok(written.into_bytes())
    })
}

/// Takes a text; gives a head's scores and its weights.
#[unsafe(no_mangle)]
extern "C" fn attention(block: usize, head: usize) -> bool {
    ask(|lab| {
        let matrices = lab.attention(&text()?, block, head)?;
        Ok(matrices.iter().flat_map(floats).collect())
    })
}

/// Takes the name of a tensor, gives its numbers.
#[unsafe(no_mangle)]
extern "C" fn tensor() -> bool {
    ask(|lab| Ok(floats(lab.tensor(&text()?)?)))
}

/// Takes any text; gives its ladder, from `uniform` to `6-gram`.
#[unsafe(no_mangle)]
extern "C" fn rungs() -> bool {
    let rungs = text().and_then(|text| ladder(&text));
    answer(rungs.map(|rungs| doubles(rungs.iter().map(|rung| rung.loss))))
}

/// Takes any text; gives characters drawn from its counts.
#[unsafe(no_mangle)]
extern "C" fn write_from_counts(order: usize, count: usize, seed: u32) -> bool {
    let write =
        |text: String| count_and_write(&text, order, count, seed.into());
    answer(text().and_then(write).map(String::into_bytes))
}

/// Takes two texts; gives the ids of the second in the vocabulary of the first,
/// and -1 for what is not in it.
#[unsafe(no_mangle)]
extern "C" fn encode(first: usize) -> bool {
    let ids = text_and_more(first).and_then(|(vocabulary_of, text)| {
        crate::encode(&vocabulary_of, &String::from_utf8(text)?)
    });
    let number = |id: Option<u16>| id.map_or(-1, i32::from).to_le_bytes();
    answer(ids.map(|ids| bytes(ids.into_iter().map(number))))
}

/// Takes a text and ids of its vocabulary, of two bytes each; gives their text.
#[unsafe(no_mangle)]
extern "C" fn decode(first: usize) -> bool {
    let text = text_and_more(first).and_then(|(vocabulary_of, bytes)| {
        let (pairs, _) = bytes.as_chunks();
        let ids: Vec<u16> =
            pairs.iter().map(|&two| u16::from_le_bytes(two)).collect();
        crate::decode(&vocabulary_of, &ids)
    });
    answer(text.map(String::into_bytes))
}

/// Takes a row and a gradient of one length; gives the normalized row, and what
/// becomes of the gradient.
#[unsafe(no_mangle)]
extern "C" fn layer_norm() -> bool {
    let given = given();
    let (chunks, _) = given.as_chunks();
    let numbers: Vec<f32> =
        chunks.iter().map(|&four| f32::from_le_bytes(four)).collect();
    let (x, dy) = numbers.split_at(numbers.len() / 2);
    let (y, dx) = crate::layer_norm(x, dy);
    answer(Ok(floats(y.iter().chain(&dx))))
}
