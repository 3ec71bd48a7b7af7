//! Models that leave as a folder, and models that come in as one.

use microgpt::hugging_face;

use crate::support::*;

#[test]
fn a_model_is_exported_into_a_new_folder_and_over_none() {
    let folder = Folder::new("export");
    succeed(&folder, &format!("{TINY} --steps 2 --checkpoint a"));
    let said = succeed(&folder, "export a new/hf");
    assert!(said.starts_with("the model of step 2 is in new/hf\n"), "{said}");
    assert!(said.contains("from_pretrained(\"new/hf\")"), "{said}");
    let exported = hugging_face::import(&folder.0.join("new/hf")).unwrap();
    assert_eq!(exported, *load(&folder, "a").0.result());
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

/// What is wrong is said before a file is made.
#[test]
fn a_model_of_other_characters_is_not_imported() {
    let folder = Folder::new("characters");
    succeed(&folder, &format!("{TINY} --steps 2 --checkpoint a"));
    succeed(&folder, "export a hf");
    let said = "error: the text has 59 distinct characters, and they are not \
                the 16 of the model in hf; give a text with the same, by \
                --data\n";
    for arguments in ["import hf b", "train --from hf --checkpoint b"] {
        assert_eq!(refusal(&folder, arguments), said);
        assert!(!folder.0.join("b.lock").exists());
    }
    let error = refusal(&folder, "import hf a --data text.txt");
    let said =
        "error: a is there already; continue it with `microgpt resume a`";
    assert!(error.starts_with(said), "{error}");
    let sizes = "train --data text.txt --from hf --n-embd 16";
    assert!(refusal(&folder, sizes).contains("cannot be used with"));
}
