//! Runs from beginning to end, and the texts that they are trained on.

use insta::assert_snapshot;
use microgpt::generation::{Generator, Sampler};
use microgpt::training::{evaluate, split};
use rand::{SeedableRng, rngs::ChaCha8Rng};

use crate::support::*;

/// Without an option it is the sonnets, and no file; here with few steps.
#[test]
fn the_program_trains_and_generates_where_there_is_no_terminal() {
    let folder = Folder::new("plain");
    let output = output(
        &folder,
        "train --preset quick --steps 20 --eval-interval 10 --prompt Shall \
         --length 30",
    );
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}");
    assert!(output.stderr.is_empty());
    assert!(!printed.contains(['\u{1b}', '\r']), "control codes");
    for part in [
        "corpus      94,657 characters, 59 distinct\n",
        "            85,191 for training, 9,466 for validation\n",
        "model       2 layers, 2 heads, width 64, context 32: 105,920 param",
        "checkpoint  none; to keep the model, add --checkpoint run.safetensors",
        "ladder      uniform 4.078, unigram 3.113, bigram 2.383, trigram 1.963",
        "step     0  train      -  validation 4.08",
        "step    10  train ",
        "step    20  train ",
        "trained in ",
    ] {
        assert!(printed.contains(part), "no {part:?} in:\n{printed}");
    }
    let (_, generated) = printed.split_once("\nShall").unwrap();
    assert_eq!(generated.strip_suffix('\n').unwrap().chars().count(), 30);
    let files = std::fs::read_dir(&folder.0).unwrap();
    assert_eq!(files.count(), 1, "more than the text");
}

/// The last tenth, and of a long text the end of it.
#[test]
fn of_a_long_text_200_000_characters_are_kept_for_validation() {
    let folder = Folder::new("long");
    for (length, parts) in [
        (1_000_000, "900,000 for training, 100,000 for validation"),
        (2_100_000, "1,900,000 for training, 200,000 for validation"),
    ] {
        let text = "abcdefghi\n".repeat(length / 10);
        std::fs::write(folder.0.join("long.txt"), text).unwrap();
        let run = TINY.replace("text.txt", "long.txt");
        let said = succeed(&folder, &format!("{run} --steps 0"));
        assert!(said.contains(parts), "{said}");
    }
}

/// Any text will do, however odd: it is trained on, saved, resumed and
/// generated. What is no text, or too little, is refused.
#[test]
fn any_text_is_learned_however_odd() {
    let folder = Folder::new("corpora");
    let megabyte = "to be, or not to be; ".repeat(50_000);
    let many: String = ('\u{4e00}'..).take(3000).collect();
    let rows: Vec<(&str, Vec<u8>)> = vec![
        ("one distinct character", "a".repeat(400).into()),
        ("one line", "to be or not ".repeat(30).into()),
        ("a megabyte without a line break", megabyte.into()),
        ("nothing but line breaks", "\n".repeat(400).into()),
        ("CRLF", "to be\r\nor not\r\n".repeat(30).into()),
        (
            "a byte-order mark",
            format!("\u{feff}{}", "to be or not ".repeat(30)).into(),
        ),
        ("emoji", "🦀 to 👩‍👩‍👧 be 🏳️‍🌈 ".repeat(30).into()),
        ("Devanagari", "धृतराष्ट्र उवाच । ".repeat(30).into()),
        ("three thousand characters", many.repeat(2).into()),
        ("empty", vec![]),
        ("one character", b"a".into()),
        ("too short", b"0123456789".into()),
        ("not UTF-8", b"to be \xff".into()),
    ];
    let rows = rows.into_iter().map(|(name, text)| {
        std::fs::write(folder.0.join("odd.txt"), text).unwrap();
        for file in ["a", "a.best"] {
            let _ = std::fs::remove_file(folder.0.join(file));
        }
        format!("{name}\n{}", learn(&folder))
    });
    assert_snapshot!("corpora", rows.collect::<String>());
}

/// A thread without a shard has nothing to do in a step, and is said to.
#[test]
fn the_threads_that_a_step_can_use_are_said() {
    let folder = Folder::new("shards");
    let small = "train --preset quick --steps 1 --length 5";
    let said = |options: &str| {
        let printed = succeed(&folder, &format!("{small} {options}"));
        let mut lines = printed.lines().map(str::trim_start);
        let line = lines.find(|line| line.starts_with("a step uses"));
        line.map(str::to_owned)
    };
    for (options, line) in [
        ("--threads 5", Some("a step uses 4 of them: its batch has 4 shards")),
        (
            "--threads 5 --shards 5",
            Some("a step uses 4 of them: its batch has 4 shards"),
        ),
        (
            "--threads 8 --shards 6",
            Some("a step uses 6 of them: its batch has 6 shards"),
        ),
        ("--threads 8 --shards 8", None),
        ("--threads 4", None),
        (
            "--threads 2 --batch-size 1",
            Some("a step uses 1 of them: its batch has 1 shard"),
        ),
    ] {
        assert_eq!(said(options).as_deref(), line, "{options}");
    }
}

/// Another number of shards is another order of additions.
#[test]
fn the_shards_are_part_of_the_run() {
    let folder = Folder::new("kept");
    let run = "train --preset quick --steps 20 --eval-interval 10 --length 5";
    succeed(&folder, &format!("{run} --checkpoint four"));
    succeed(&folder, &format!("{run} --shards 3 --checkpoint three"));
    let file = |name: &str| std::fs::read(folder.0.join(name)).unwrap();
    assert_ne!(file("four"), file("three"));
}

/// Six characters for validation are the fewest that have five before one; and
/// one of a thing is not called many.
#[test]
fn where_there_is_too_little_to_count_it_says_so() {
    let folder = Folder::new("little");
    let one = "train --n-layer 1 --n-head 1 --n-embd 4 --block-size 1 \
               --batch-size 1 --steps 1 --length 5 --threads 1 --data short.txt";
    for (length, validation) in [(11, 2), (50, 5), (51, 6), (60, 6)] {
        let text: String = TEXT.chars().cycle().take(length).collect();
        std::fs::write(folder.0.join("short.txt"), text).unwrap();
        let printed = succeed(&folder, one);
        assert!(!printed.contains("NaN"), "{printed}");
        let said = format!(
            "\nladder      none: with {validation} characters for validation \
             there is too little to count\n\n"
        );
        assert_eq!(printed.contains(&said), validation < 6, "{printed}");
        assert_eq!(printed.contains("unigram "), validation >= 6, "{printed}");
        for line in [
            "model       1 layer, 1 head, width 4, context 1: ",
            "training    1 step of 1 sequence of 1 character\n",
            "            on 1 thread, in about ",
        ] {
            assert!(printed.contains(line), "no {line:?} in {printed}");
        }
    }
    let kept = one.replace("--block-size 1", "--block-size 8 --checkpoint a");
    succeed(&folder, &format!("{kept} --short-steps 1 --eval-interval 1"));
    let inspected = succeed(&folder, "inspect a");
    for part in [
        "step 1 of 1, batches of 1 sequence\n",
        "sequences of 2 characters in the first 1 step\n",
        "averaged over the last 10% of 1 step\n",
        "evaluated every step\n",
    ] {
        assert!(inspected.contains(part), "no {part:?} in {inspected}");
    }
}

/// A byte-order mark is no character of the text: what is learned, saved and
/// resumed is the same without it.
#[test]
fn a_byte_order_mark_at_the_start_is_left_out_with_a_word() {
    let folder = Folder::new("mark");
    let marked = format!("\u{feff}{}", TEXT.repeat(10));
    std::fs::write(folder.0.join("marked.txt"), &marked).unwrap();
    let run = format!("{TINY} --steps 2");
    let said = "marked.txt begins with a byte-order mark (U+FEFF), which is \
                left out\n";
    for (text, name, warning) in [("text", "a", ""), ("marked", "b", said)] {
        let run = run.replace("text.txt", &format!("{text}.txt"));
        let output = output(&folder, &format!("{run} --checkpoint {name}"));
        assert!(output.status.success(), "{output:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), warning);
    }
    assert!(content(&folder, "a") == content(&folder, "b"));
    succeed(&folder, "resume b --data text.txt --length 5");
    // Elsewhere it is a character like any other, and named where it is unknown
    std::fs::write(folder.0.join("only.txt"), "\u{feff}").unwrap();
    let error = refusal(&folder, "train --data only.txt");
    assert!(error.ends_with("only.txt is empty; give a text to train on\n"));
    let error = refusal(&folder, "generate a --prompt to\u{feff}");
    let named = "unknown character U+FEFF (a byte-order mark; remove it) at 2";
    assert!(error.contains(named), "{error}");
    for bytes in [b"\xff\xfea\0", b"\xfe\xff\0a"] {
        std::fs::write(folder.0.join("wide.txt"), bytes).unwrap();
        let error = refusal(&folder, "train --data wide.txt");
        let said = "error: wide.txt is UTF-16; convert it to UTF-8 first\n";
        assert_eq!(error, said);
    }
}

/// The same letter in two spellings, neither of which can be told from the other.
#[test]
fn a_prompt_in_the_other_normal_form_is_refused_with_what_to_do() {
    let folder = Folder::new("forms");
    for (text, file, prompt, said) in [
        (
            "caf\u{e9} noir\n",
            "nfc",
            "cafe\u{301}",
            "unknown characters 'e' at 3, U+0301 (a combining mark: the text \
             may be in decomposed form; convert it to NFC) at 4; ",
        ),
        (
            "cafe\u{301} noir\n",
            "nfd",
            "caf\u{e9}",
            "; it knows U+0301, a combining mark: its text is in decomposed \
             form, so give the prompt in NFD\n",
        ),
    ] {
        let name = format!("{file}.txt");
        std::fs::write(folder.0.join(&name), text.repeat(30)).unwrap();
        let run = TINY.replace("text.txt", &name);
        succeed(&folder, &format!("{run} --steps 2 --checkpoint {file}"));
        let generate = format!("generate {file} --prompt {prompt}");
        let error = refusal(&folder, &generate);
        assert!(error.contains(said), "{error}");
        let other = refusal(&folder, &format!("generate {file} --prompt x"));
        assert!(!other.contains("form"), "{other}");
    }
}

/// Three steps, two more after a resume, and a text: what the first printed
/// of the corpus, or why it was refused.
fn learn(folder: &Folder) -> String {
    let run = TINY.replace("text.txt", "odd.txt");
    let output = output(folder, &format!("{run} --steps 3 --checkpoint a"));
    if !output.status.success() {
        assert!(!folder.0.join("a").exists());
        return wrap(String::from_utf8(output.stderr).unwrap().trim_end());
    }
    let printed = String::from_utf8(output.stdout).unwrap();
    let resume = "resume a --data odd.txt --steps 5 --length 5";
    let resumed = succeed(folder, resume);
    let generated = succeed(folder, "generate a --length 7");
    assert_eq!(step(folder, "a"), 5);
    let generated = generated.replace("\\r", "\r"); // alone, it is spelled out
    assert_eq!(generated.chars().count(), 1 + 7 + 1);
    assert!(resumed.contains("\nresumed     a, at step 3\n"), "{resumed}");
    let lines = printed.lines().take(2).map(|line| format!("    {line}\n"));
    lines.collect()
}

/// The mean of the weights is what is evaluated, kept and generated with.
#[test]
fn what_the_program_shows_is_the_mean() {
    let folder = Folder::new("shown");
    let tiny = TINY.replace("--length 5", "--length 40");
    let run = format!("{tiny} --steps 30 --lr 0.1");
    let kept = |name| {
        let (run, _) = load(&folder, name);
        let part = run.config().average;
        run.average.map(|it| (part, it.steps))
    };

    let printed = succeed(&folder, &format!("{run} --checkpoint a"));
    let said = "the weights averaged over the last 10% of the steps\n";
    assert!(printed.contains(said), "{printed}");
    let (a, corpus) = load(&folder, "a");
    assert_eq!(kept("a"), Some((0.1, 30)));
    let ids = corpus.tokenizer.encode(&TEXT.repeat(10)).unwrap();
    let [mean, last] = [a.result(), &a.model]
        .map(|model| evaluate(model, split(&ids).1).unwrap());
    let loss = |x: f64| format!("validation {x:.4}");
    assert_ne!(loss(mean), loss(last));
    assert!(printed.contains(&loss(mean)), "no {mean} in {printed}");
    assert_eq!(a.best, Some(mean));

    let mut rng = ChaCha8Rng::seed_from_u64(a.config().seed);
    rng.set_stream(2);
    let prompt = corpus.tokenizer.encode("\n").unwrap();
    let sampler = Sampler::new(0.8, None).unwrap();
    let ids = Generator::new(a.result(), &prompt, sampler, rng).unwrap();
    let ids: Vec<u16> = ids.take(40).map(Result::unwrap).collect();
    let text = corpus.tokenizer.decode(&ids).unwrap();
    assert!(printed.ends_with(&format!("\n\n{text}\n")), "{printed}");
    let again = "generate a --length 40";
    assert_eq!(succeed(&folder, again), format!("\n{text}\n"));
    let said = succeed(&folder, "inspect a");
    let average = "weights averaged over the last 10% of 30 steps\n";
    assert!(said.contains(average), "{said}");

    let none = format!("{run} --average 0 --checkpoint b");
    assert!(!succeed(&folder, &none).contains("averaged"));
    assert_eq!(kept("b"), None);
    assert_eq!(load(&folder, "b").0.model, a.model);
    let go_on = |name: &str, options: &str| {
        let on = format!("resume {name} --data text.txt --length 5");
        succeed(&folder, &format!("{on} --steps 40 {options}"));
    };
    std::fs::copy(folder.0.join("a"), folder.0.join("c")).unwrap();
    go_on("a", "--average 0.3");
    assert_eq!(kept("a"), Some((0.3, 40)));
    go_on("c", "--average 0");
    assert_eq!(kept("c"), None);
    go_on("b", "--average 0.5"); // from here on
    assert_eq!(kept("b"), Some((0.5, 10)));
    let [a, b] = ["a", "b"].map(|name| load(&folder, name).0.model);
    assert_eq!(a, b);
}
