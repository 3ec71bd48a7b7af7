//! The mean of the weights of several checkpoints.

use microgpt::gpt::Gpt;
use microgpt::training::{evaluate, split};

use crate::support::*;

#[test]
fn the_mean_is_between_two_models() {
    let folder = Folder::new("average");
    let run = format!("{TINY} --average 0 --lr 0.1");
    for (steps, name) in [(3, "a"), (30, "b")] {
        succeed(&folder, &format!("{run} --steps {steps} --checkpoint {name}"));
    }
    let wide = run.replace("--n-embd 8", "--n-embd 16");
    succeed(&folder, &format!("{wide} --steps 3 --checkpoint wide"));
    std::fs::write(folder.0.join("other.txt"), TEXT.repeat(11)).unwrap();
    let other = run.replace("text.txt", "other.txt");
    succeed(&folder, &format!("{other} --steps 3 --checkpoint other"));

    let ((a, corpus), (b, _)) = (load(&folder, "a"), load(&folder, "b"));
    let text = TEXT.repeat(10);
    let ids = corpus.tokenizer.encode(&text).unwrap();
    let loss = |model: &Gpt| evaluate(model, split(&ids).1).unwrap();
    let mut middle = a.model.clone();
    for (m, w) in middle.tensors_mut().into_iter().zip(b.model.tensors()) {
        let pairs = m.data.iter_mut().zip(w.data);
        pairs.for_each(|(m, w)| *m = (*m + w) / 2.0);
    }
    let [a, b, middle] = [&a.model, &b.model, &middle].map(loss);
    let said = format!(
        "step      3  {a:.4}  mean of 1  {a:.4}\n\
         step     30  {b:.4}  mean of 2  {middle:.4}\n"
    );
    assert_eq!(succeed(&folder, "average --data text.txt a b"), said);

    for (arguments, error) in [
        ("average", "the following required arguments were not provided"),
        ("average --data nothing.txt a", "cannot read nothing.txt: "),
        (
            "average --data text.txt text.txt",
            "text.txt: not a safetensors file: ",
        ),
        ("average a", "a: of another text; give that one, by --data\n"),
    ] {
        let said = refusal(&folder, arguments);
        assert!(said.starts_with(&format!("error: {error}")), "{said}");
    }
    for (name, error) in [
        ("wide", "wide: a model of other sizes than the one before\n"),
        ("other", "other: of another text; give that one, by --data\n"),
    ] {
        let arguments = format!("average --data text.txt a {name}");
        let output = output(&folder, &arguments);
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said, format!("error: {error}"));
    }
}
