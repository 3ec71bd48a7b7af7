//! Models that leave as a folder, and models that come in as one.

use microgpt::hugging_face::{self, import_characters};

use crate::support::*;

#[test]
fn a_model_is_exported_into_a_new_folder_and_over_none() {
    let folder = Folder::new("export");
    succeed(&folder, &format!("{TINY} --steps 2 --checkpoint a"));
    let said = succeed(&folder, "export a new/hf");
    assert!(said.starts_with("the model of step 2 is in new/hf\n"), "{said}");
    assert!(said.contains("from_pretrained(\"new/hf\")"), "{said}");
    assert!(said.contains("has no token for padding"), "{said}");
    let exported = import_characters(&folder.0.join("new/hf")).unwrap();
    assert_eq!(exported.model, *load(&folder, "a").0.result());
    std::fs::create_dir(folder.0.join("empty")).unwrap();
    for there in ["new/hf", "empty"] {
        let error = refusal(&folder, &format!("export a {there}"));
        assert!(error.contains("is there already"), "{error}");
        assert!(folder.0.join(there).exists());
    }
    // Where nothing comes of it, nothing is left
    refusal(&folder, "export text.txt other/hf");
    assert!(!folder.0.join("other").exists());
}

/// What is in it, tests/gguf.rs knows.
#[test]
fn a_model_is_exported_into_a_new_file_for_llama_cpp() {
    let folder = Folder::new("export-gguf");
    succeed(&folder, &format!("{TINY} --steps 20 --checkpoint a"));
    let said = succeed(&folder, "export a --gguf a.gguf");
    let expected = "the model of step 20 is in a.gguf\nopen it with \
                    llama.cpp; a prompt and its text have room for 8 \
                    characters together\n";
    assert_eq!(said, expected);
    let bytes = content(&folder, "a.gguf");
    assert!(bytes.starts_with(b"GGUF"));
    let error = refusal(&folder, "export a --gguf a.gguf");
    assert!(error.contains("a.gguf: is there already"), "{error}");
    assert!(content(&folder, "a.gguf") == bytes);
    let error = refusal(&folder, "export a --gguf a.best");
    assert!(error.contains("the best state of the run"), "{error}");
    let error = refusal(&folder, "export a");
    assert!(error.contains("<DIR>"), "{error}");
    let error = refusal(&folder, "export a new --gguf new.gguf");
    assert!(error.contains("cannot be used with"), "{error}");
    assert!(!folder.0.join("new").exists());
    assert!(!folder.0.join("new.gguf").exists());
}

/// By way of a file or at once: the same run, to the last bit.
#[test]
fn an_imported_model_is_trained_further() {
    let folder = Folder::new("import");
    succeed(&folder, &format!("{TINY} --steps 20 --checkpoint a"));
    succeed(&folder, "export a hf");
    let printed = succeed(&folder, "import hf b --data text.txt");
    let best = load(&folder, "a").0.best.unwrap();
    let loss = format!("validation loss {best:.4} nats per character\n");
    assert!(printed.starts_with(&loss), "{printed}");
    let next = "train with `microgpt resume b --data text.txt`";
    assert!(printed.contains(next), "{printed}");
    let (run, _) = load(&folder, "b");
    assert_eq!((run.step, run.best), (0, None));
    assert_eq!(run.model, *load(&folder, "a").0.result());

    let steps = "--data text.txt --steps 5 --lr 1e-3 --length 5";
    let resumed = succeed(&folder, &format!("resume b {steps}"));
    let from = format!("train --from hf {steps} --checkpoint c");
    let trained = succeed(&folder, &from);
    assert!(content(&folder, "b") == content(&folder, "c"));
    let text = |printed: &str| printed.rsplit("\n\n").next().map(str::to_owned);
    assert_eq!(text(&resumed), text(&trained));
    // Shorter sequences would overwrite positions that have been learned
    succeed(&folder, "import hf d --data text.txt");
    let error =
        refusal(&folder, "resume d --data text.txt --short-steps 2 --steps 4");
    assert!(error.contains("began without shorter sequences"), "{error}");
}

#[test]
fn a_folder_generates_what_its_run_generates() {
    let folder = Folder::new("folder");
    succeed(&folder, &format!("{TINY} --steps 20 --checkpoint a"));
    succeed(&folder, "export a hf");
    let options = "--length 40 --prompt to --temperature 0.5 --top-k 5";
    let run = succeed(&folder, &format!("generate a {options}"));
    assert_eq!(succeed(&folder, &format!("generate hf {options}")), run);
    assert!(run.starts_with("\nto"), "{run}");
    let other = succeed(&folder, &format!("generate hf {options} --seed 5"));
    assert_ne!(other, run);
    std::fs::create_dir(folder.0.join("empty")).unwrap();
    let error = refusal(&folder, "generate empty");
    assert!(error.contains("config.json: cannot read: "), "{error}");
}

#[test]
fn a_folder_s_text_ends_before_its_end_of_text_token() {
    let folder = Folder::new("eos");
    succeed(&folder, &format!("{TINY} --steps 20 --checkpoint a"));
    succeed(&folder, "export a hf");
    let options = "--length 40 --prompt to";
    let all = succeed(&folder, &format!("generate hf {options}"));
    let imported = import_characters(&folder.0.join("hf")).unwrap();
    let space = imported.tokenizer.encode(" ").unwrap()[0];
    for eos in [format!("{space}"), format!("[60000, {space}]")] {
        let path = folder.0.join("hf/generation_config.json");
        let json = format!("{{\"eos_token_id\": {eos}}}");
        std::fs::write(path, json).unwrap();
        let (before, _) = all.split_once(' ').unwrap();
        let ended = succeed(&folder, &format!("generate hf {options}"));
        assert_eq!(ended, format!("{before}\n"));
        let on = format!("generate hf {options} --ignore-eos");
        assert_eq!(succeed(&folder, &on), all);
    }
}

/// A model that has learned something has a token more, which nobody sees.
#[test]
fn the_end_token_of_a_folder_comes_and_goes() {
    let folder = Folder::new("end");
    succeed(&folder, &format!("{TINY} --steps 200 --lr 0.02 --checkpoint a"));
    let said = succeed(&folder, "export a hf");
    assert!(!said.contains("padding"), "{said}");
    let path = folder.0.join("hf");
    let rows = hugging_face::import(&path).unwrap().config().vocab_size;
    assert_eq!(rows, 17);
    assert_eq!(hugging_face::end_of_text(&path).unwrap(), [16]);
    let run = succeed(&folder, "generate a --length 90");
    let output = output(&folder, "generate hf --length 90");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), run);
    assert!(output.stderr.is_empty(), "{:?}", output.stderr);
    succeed(&folder, "import hf b --data text.txt");
    assert_eq!(load(&folder, "b").0.model, *load(&folder, "a").0.result());
    // As if it were another's, and not the one that we never generate
    for name in ["tokenizer.json", "tokenizer_config.json"] {
        let place = path.join(name);
        let words = std::fs::read_to_string(&place).unwrap();
        let words = words.replace("<|endoftext|>", "[PAD]");
        std::fs::write(&place, words).unwrap();
    }
    let output = self::output(&folder, "generate hf --length 90");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), run);
    let said = "warning: hf: rows of the token table that are no character's \
                are left out: 1\n";
    assert_eq!(String::from_utf8(output.stderr).unwrap(), said);
}

/// A text may lack characters that the model knows: they stay in the run, which
/// is saved, resumed, averaged, exported and generated with like any other.
#[test]
fn an_imported_model_is_trained_on_a_text_of_fewer_characters() {
    let folder = Folder::new("fewer");
    succeed(&folder, &format!("{TINY} --steps 20 --checkpoint a"));
    succeed(&folder, "export a hf");
    let (a, corpus) = load(&folder, "a");
    std::fs::write(folder.0.join("few.txt"), "not to be\n".repeat(30)).unwrap();
    let few = "--data few.txt --steps 5 --lr 1e-3 --length 5 --prompt q";

    let imported = succeed(&folder, "import hf b --data few.txt");
    let next = "train with `microgpt resume b --data few.txt`";
    assert!(imported.contains(next), "{imported}");
    assert_eq!(load(&folder, "b").0.model, *a.result());
    let resumed = succeed(&folder, &format!("resume b {few}"));
    let line = "corpus      300 characters, 7 distinct of the 16 that the model \
                knows\n";
    assert!(resumed.contains(line), "{resumed}");
    succeed(&folder, &format!("train --from hf {few} --checkpoint c"));
    assert!(content(&folder, "b") == content(&folder, "c"));
    let (b, learned) = load(&folder, "b");
    assert_eq!((b.step, &learned.tokenizer), (5, &corpus.tokenizer));

    let longer = few.replace("--steps 5", "--steps 8");
    succeed(&folder, &format!("resume b {longer} --checkpoint d"));
    succeed(&folder, &format!("resume b {longer}"));
    assert!(content(&folder, "b") == content(&folder, "d"));
    succeed(&folder, "average --data few.txt b c");
    succeed(&folder, "export b hf2");
    succeed(&folder, "generate hf2 --prompt q --length 5");
    succeed(&folder, "generate b --prompt q --length 5");
    let error = refusal(&folder, "resume b --data text.txt");
    assert!(error.starts_with("error: the text is not the one of"), "{error}");
}

/// What is wrong is said before a file is made.
#[test]
fn unknown_characters_keep_a_text_from_an_imported_model() {
    let folder = Folder::new("characters");
    succeed(&folder, &format!("{TINY} --steps 2 --checkpoint a"));
    succeed(&folder, "export a hf");
    std::fs::write(folder.0.join("odd.txt"), "to be; or Not\n".repeat(9))
        .unwrap();
    let said = "error: unknown characters ';' at 5, 'N' at 10; the vocabulary \
                has 16 characters, those of the model in hf; leave out the \
                others, or give another text, by --data\n";
    for arguments in ["import hf b", "train --from hf --checkpoint b"] {
        let arguments = format!("{arguments} --data odd.txt");
        assert_eq!(refusal(&folder, &arguments), said);
        assert!(!folder.0.join("b.lock").exists());
    }
    let error = refusal(&folder, "import hf a --data text.txt");
    let said =
        "error: a is there already; continue it with `microgpt resume a`";
    assert!(error.starts_with(said), "{error}");
    let sizes = "train --data text.txt --from hf --n-embd 16";
    assert!(refusal(&folder, sizes).contains("cannot be used with"));
}
