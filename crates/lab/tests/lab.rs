//! What the lab says is what the crate says.

use std::ops::ControlFlow;

use lab::{
    Choice, Lab, count_and_write, decode, encode, ladder, layer_norm, sentence,
};
use microgpt::checkpoint::{self, Corpus};
use microgpt::generation::{Generator, KvCache, Sampler};
use microgpt::gpt::{Gpt, GptConfig};
use microgpt::orientation::softmax;
use microgpt::tokenization::CharTokenizer;
use microgpt::training::{Event, LrSchedule, TrainConfig, Trainer, split};
use rand::{SeedableRng, rngs::ChaCha8Rng};

const SONNETS: &str = include_str!("../../../chapters-code/data/sonnets.txt");

const SIZES: GptConfig = GptConfig {
    n_layer: 2,
    n_head: 2,
    n_embd: 16,
    block_size: 16,
    vocab_size: 0, // the text's
};

fn config() -> TrainConfig {
    TrainConfig {
        batch_size: 4,
        schedule: LrSchedule::new(3e-3, 40),
        average: 0.1,
        eval_interval: 20,
        ..TrainConfig::default()
    }
}

fn text() -> &'static str {
    &SONNETS[..4000]
}

fn lab() -> Lab {
    Lab::new(text(), SIZES, config(), 1).unwrap()
}

fn train(lab: &mut Lab, steps: usize) {
    for _ in 0..steps {
        lab.step().unwrap();
    }
}

fn all(temperature: f32) -> Choice {
    Choice::new(temperature, 0, 1.0).unwrap()
}

/// The run of a page, in slices and with questions in between, is the run of
/// the crate, in every bit: its file shows it.
#[test]
fn a_run_in_slices_is_the_run_of_the_crate() {
    let mut lab = lab();
    let mut losses = vec![lab.evaluate().unwrap()];
    for step in 1..=40 {
        lab.step().unwrap();
        if step % 20 == 0 {
            losses.push(lab.evaluate().unwrap());
        } else if step % 7 == 0 {
            lab.generate("O", 5, all(1.0), None).unwrap();
            lab.attention("O time", 1, 1).unwrap();
        }
    }

    let corpus = Corpus::new(text()).unwrap();
    let ids = corpus.tokenizer.encode(text()).unwrap();
    let (train, validation) = split(&ids);
    let vocab_size = corpus.tokenizer.vocab_size();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let model = Gpt::new(GptConfig { vocab_size, ..SIZES }, &mut rng).unwrap();
    let mut trainer = Trainer::new(model, config()).unwrap();
    let mut expected = Vec::new();
    let observe = |_: &_, event| {
        if let Event::Evaluation(evaluation) = event {
            expected.push(evaluation.validation_loss);
        }
        ControlFlow::Continue(())
    };
    trainer.run(train, validation, observe).unwrap();
    let mut file = Vec::new();
    checkpoint::write(&trainer, &corpus, &mut file).unwrap();

    assert_eq!(losses, expected);
    assert!(lab.save().unwrap() == file);

    // And the text goes on where the weights' random numbers ended
    let prompt = corpus.tokenizer.encode("\n").unwrap();
    let sampler = Sampler::new(0.8, None).unwrap();
    let ids = Generator::new(trainer.result(), &prompt, sampler, rng).unwrap();
    let ids: Vec<u16> = ids.take(100).collect::<Result<_, _>>().unwrap();
    let written = lab.generate("\n", 100, all(0.8), None).unwrap();
    assert_eq!(written, corpus.tokenizer.decode(&ids).unwrap());
}

#[test]
fn an_opened_run_goes_on_with_its_own_text_only() {
    let mut whole = lab();
    let mut first = lab();
    for _ in 0..5 {
        whole.step().unwrap();
        first.step().unwrap();
    }
    let mut opened = Lab::open(&first.save().unwrap()).unwrap();
    let said = opened.step().unwrap_err().to_string();
    assert!(said.contains("0 tokens"), "{said}");
    let other = text().replacen('e', "a", 1);
    let said = opened.go_on_with(&other).unwrap_err().to_string();
    assert!(said.starts_with("the run has learned another text:"), "{said}");
    opened.go_on_with(text()).unwrap();
    for _ in 0..5 {
        assert_eq!(opened.step().unwrap(), whole.step().unwrap());
    }
    assert!(opened.save().unwrap() == whole.save().unwrap());
}

/// Without its moments it is the same model, in a file of the same length.
#[test]
fn a_run_without_moments_writes_the_same() {
    let mut lab = lab();
    train(&mut lab, 5);
    let before = lab.generate("O", 50, all(1.0), Some(3)).unwrap();
    lab.forget_moments();
    let opened = Lab::open(&lab.save().unwrap()).unwrap();
    assert_eq!(opened.generate("O", 50, all(1.0), Some(3)).unwrap(), before);
    assert_eq!(opened.trainer.moments.steps, 0);
    let moments = &opened.trainer.moments;
    for tensor in [&moments.mean, &moments.square].map(Gpt::tensors).concat() {
        assert!(tensor.data.iter().all(|&x| x == 0.0), "{}", tensor.name);
    }
}

#[test]
fn the_logits_are_those_of_the_end_of_the_text() {
    let lab = lab();
    let long = &text()[..40];
    let ids = lab.tokenizer().encode(&long[24..]).unwrap();
    let mut cache = KvCache::new(lab.trainer.result());
    let expected = cache.extend(&ids);
    for (z, expected) in lab.logits(long).unwrap().iter().zip(expected) {
        assert!((z - expected).abs() < 1e-5, "{z} and {expected}");
    }
}

#[test]
fn a_nucleus_is_the_fewest_that_reach_its_share() {
    let logits = [0.5f32, 0.2, 0.2, 0.1].map(f32::ln);
    for (top_p, kept) in [(0.3, 1), (0.55, 2), (0.8, 3), (0.95, 4), (1.0, 4)] {
        let choice = Choice::new(1.0, 0, top_p).unwrap();
        let candidates = choice.candidates(&logits);
        let ids: Vec<u16> = candidates.iter().map(|&(id, _)| id).collect();
        assert_eq!(ids, (0..kept).collect::<Vec<u16>>(), "top-p {top_p}");
        let sum: f32 = candidates.iter().map(|(_, p)| p).sum();
        assert!((sum - 1.0).abs() < 1e-6);
        if let [(_, a), (_, b), ..] = candidates[..] {
            assert!((a / b - 2.5).abs() < 1e-5, "proportions stay");
        }
    }
    // Among those that top-k has left
    let choice = Choice::new(1.0, 2, 0.75).unwrap();
    assert_eq!(choice.candidates(&logits).len(), 2);
    let choice = Choice::new(1.0, 2, 0.7).unwrap();
    assert_eq!(choice.candidates(&logits).len(), 1);
}

/// Drawn many times, what follows has the frequencies of the candidates.
#[test]
fn what_is_drawn_from_a_nucleus_has_its_shares() {
    let mut lab = lab();
    train(&mut lab, 40);
    let choice = Choice::new(1.0, 0, 0.4).unwrap();
    let candidates = choice.candidates(&lab.logits("th").unwrap());
    assert!(candidates.len() > 1);
    let mut counts = vec![0; candidates.len()];
    for seed in 0..2000 {
        let drawn = lab.generate("th", 1, choice, Some(seed)).unwrap();
        let id = lab.tokenizer().encode(&drawn).unwrap()[0];
        let at = candidates.iter().position(|&(it, _)| it == id);
        counts[at.expect("a candidate")] += 1;
    }
    for ((id, p), count) in candidates.iter().zip(counts) {
        let share = f64::from(count) / 2000.0;
        let deviation = (f64::from(p * (1.0 - p)) / 2000.0).sqrt();
        let off = (share - f64::from(*p)).abs();
        assert!(off < 5.0 * deviation, "{id}: {share} and {p}");
    }
}

/// The weights are the softmax of what the scores are scaled and masked to, in
/// each block and head; the first block's scores come from the embeddings.
#[test]
fn attention_is_the_softmax_of_its_scores() {
    let mut lab = lab();
    train(&mut lab, 40);
    for (block, head) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let [scores, weights] =
            lab.attention("From fairest", block, head).unwrap();
        assert_eq!(scores.dim(), (12, 12));
        for (t, row) in scores.rows().into_iter().enumerate() {
            let d = 8f32;
            let mut seen: Vec<f32> =
                row.iter().take(t + 1).map(|z| z / d.sqrt()).collect();
            softmax(&mut seen);
            for (j, weight) in weights.row(t).iter().enumerate() {
                let expected = seen.get(j).copied().unwrap_or(0.0);
                assert!((weight - expected).abs() < 1e-5, "row {t}, {j}");
            }
        }
    }
}

/// Heads differ, blocks differ, and only the end of a long line is looked at.
#[test]
fn attention_is_that_of_the_head_and_the_block() {
    let mut lab = lab();
    train(&mut lab, 40);
    let line = &text()[..30];
    let seen = |block, head| lab.attention(line, block, head).unwrap();
    assert_eq!(seen(0, 0)[0].dim(), (16, 16));
    assert_ne!(seen(0, 0), seen(0, 1));
    assert_ne!(seen(0, 0), seen(1, 0));
    assert_eq!(seen(1, 1), lab.attention(&line[14..], 1, 1).unwrap());
}

/// A later block looks at what the earlier ones have made: if the first one adds
/// nothing any more, the second one's head sees something else, and its own
/// stays as it was.
#[test]
fn attention_is_that_of_the_stream_below_it() {
    let mut lab = lab();
    train(&mut lab, 40);
    let seen = |lab: &Lab| {
        [0, 1].map(|block| lab.attention("thee", block, 0).unwrap())
    };
    let before = seen(&lab);
    let average = lab.trainer.average.as_mut().expect("a mean is kept");
    let first = &mut average.model.blocks[0];
    for linear in [&mut first.attention.proj, &mut first.mlp.down] {
        linear.weight.fill(0.0);
        linear.bias.fill(0.0);
    }
    let after = seen(&lab);
    assert_eq!(before[0], after[0]);
    assert_ne!(before[1], after[1]);
}

#[test]
fn tensors_have_their_names() {
    let lab = lab();
    let table = lab.tensor("embeddings.token").unwrap();
    let model = lab.trainer.result();
    assert_eq!(table, model.embeddings.token.as_slice().unwrap());
    let said = lab.tensor("embeddings.tokens").unwrap_err().to_string();
    assert_eq!(said, "no tensor is called embeddings.tokens");
}

#[test]
fn a_ladder_is_the_crate_s_and_short_texts_have_none() {
    let rungs = ladder(SONNETS).unwrap();
    assert_eq!(rungs[4].name, "4-gram");
    assert!((rungs[4].loss - 1.755).abs() < 5e-4);
    assert!(ladder(&"ab".repeat(30)).is_ok());
    for short in [String::new(), "a".to_owned(), "ab".repeat(25)] {
        let said = ladder(&short).unwrap_err().to_string();
        assert!(said.ends_with("give at least 60"), "{said}");
    }
}

#[test]
fn counts_write_what_they_have_seen() {
    let text = "abcabcabc".repeat(10);
    // Witten-Bell leaves a crumb to others, so this is likely, not certain
    let written = count_and_write(&text, 2, 200, 1).unwrap();
    let pairs = written.as_bytes().windows(2);
    let seen =
        pairs.filter(|pair| text.as_bytes().windows(2).any(|it| it == *pair));
    assert!(seen.count() > 180, "{written}");
    assert_eq!(written.chars().count(), 200);
    assert_eq!(count_and_write("é", 5, 3, 1).unwrap(), "ééé");
    assert!(count_and_write("", 2, 3, 1).is_err());
}

#[test]
fn unknown_characters_have_no_id() {
    let ids = encode("abc", "cab🦀é\n").unwrap();
    assert_eq!(ids, [Some(2), Some(0), Some(1), None, None, None]);
    assert!(encode("", "a").is_err());
    assert_eq!(decode("abc", &[2, 0, 1]).unwrap(), "cab");
    let said = decode("abc", &[3]).unwrap_err().to_string();
    assert!(said.contains('3'), "{said}");
}

#[test]
fn layer_norm_takes_mean_and_length_out_of_a_gradient() {
    let x = [1.0, 2.0, 4.0, 9.0];
    let (y, along) = layer_norm(&x, &[0.0; 4]);
    assert!(y.iter().sum::<f32>().abs() < 1e-5);
    assert!((y.iter().map(|y| y * y).sum::<f32>() - 4.0).abs() < 1e-4);
    assert_eq!(along, [0.0; 4]);
    let (_, same) = layer_norm(&x, &[3.0; 4]);
    let (_, along) = layer_norm(&x, &y);
    assert!(same.iter().chain(&along).all(|dx| dx.abs() < 1e-4));
    let (_, dx) = layer_norm(&x, &[1.0, 0.0, 0.0, 0.0]);
    assert!(dx[0] > 0.1);
}

/// Every refusal is a sentence that says what to do; none is a panic.
#[test]
fn what_cannot_be_is_refused_with_a_sentence() {
    let new = |text: &str, sizes, config| {
        sentence(&*Lab::new(text, sizes, config, 1).unwrap_err())
    };
    let wide = GptConfig { n_embd: 1 << 40, ..SIZES };
    let large = GptConfig { n_embd: 4096, n_layer: 8, ..SIZES };
    let odd = GptConfig { n_head: 3, ..SIZES };
    let none = GptConfig { n_layer: 0, ..SIZES };
    for (said, part) in [
        (new("", SIZES, config()), "the text is empty"),
        (new("a", SIZES, config()), "give more text"),
        (new(&"ab".repeat(9), SIZES, config()), "give more text"),
        // A context of one: seven characters, and none is left to check with
        (
            new("abcdefg", GptConfig { block_size: 1, ..SIZES }, config()),
            "give a longer text",
        ),
        (new(text(), wide, config()), "choose smaller sizes"),
        (new(text(), large, config()), "in a page it can have 1000"),
        (new(text(), odd, config()), "choose n_embd as a multiple"),
        (new(text(), none, config()), "n_layer"),
        (
            new(text(), SIZES, TrainConfig { batch_size: 0, ..config() }),
            "batch_size",
        ),
    ] {
        assert!(said.contains(part), "{said}");
    }

    let lab = lab();
    let mut file = lab.save().unwrap();
    let open = |bytes: &[u8]| sentence(&*Lab::open(bytes).unwrap_err());
    assert!(open(b"").contains("0 bytes"), "{}", open(b""));
    assert!(!open(b"This is no checkpoint at all.").is_empty());
    let last = file.len() - 1;
    file[last] ^= 1;
    assert!(
        open(&file).contains("does not fit its SHA-256"),
        "{}",
        open(&file)
    );

    let said = lab.attention("a", 2, 0).unwrap_err().to_string();
    assert!(said.ends_with("2 blocks of 2 heads, counted from 0"), "{said}");
    assert!(lab.attention("a", 0, 2).is_err());
    assert!(lab.attention("", 0, 0).is_err() && lab.logits("").is_err());
    let said = sentence(&*lab.logits("naïve").unwrap_err());
    assert!(said.contains('ï'), "{said}");
    for wrong in [0.0, -1.0, 1.1, f32::NAN] {
        assert!(Choice::new(1.0, 0, wrong).is_err(), "top-p {wrong}");
    }
    assert!(Choice::new(f32::NAN, 0, 1.0).is_err());
    assert!(Choice::new(-1.0, 0, 1.0).is_err());
    assert!(lab.generate("", 1, all(1.0), None).is_err());
    let many = Choice::new(1.0, 1000, 1.0).unwrap();
    assert!(lab.generate("a", 1, many, None).is_err());
}

/// Where training explodes, the crate names the step and the tensor.
#[test]
fn a_run_that_explodes_names_the_tensor() {
    let config =
        TrainConfig { schedule: LrSchedule::new(1e6, 400), ..config() };
    let mut lab = Lab::new(text(), SIZES, config, 1).unwrap();
    let error = (0..400).find_map(|_| lab.step().err()).expect("an end");
    let said = sentence(&*error);
    assert!(said.contains("not finite; first in"), "{said}");
    assert!(said.contains("smaller learning rate"), "{said}");
    // And what there is can still be asked
    assert_eq!(lab.tokenizer(), &CharTokenizer::new(text()).unwrap());
}
