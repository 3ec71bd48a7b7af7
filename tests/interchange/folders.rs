//! Folders as people have them: names that other programs changed, files that
//! are not the ones we read, fields that mean another model.

use super::*;

/// Renames every tensor of a folder of one file.
pub fn rename(folder: &Folder, new: impl Fn(&str) -> String) {
    folder.forge(|header, _| {
        let old = std::mem::take(header.as_object_mut().unwrap());
        *header = old
            .into_iter()
            .map(|(name, info)| match name.as_str() {
                "__metadata__" => (name, info),
                name => (new(name), info),
            })
            .collect();
    });
}

fn original() -> Gpt {
    import(&Path::new(FOLDERS).join("f32-tokens")).unwrap()
}

#[test]
fn names_behind_wrappers_are_the_names() {
    for (before, inside) in [
        ("_orig_mod.", ""),        // save_model(torch.compile(model))
        ("module.", ""),           // several processes, DeepSpeed
        ("model.", ""),            // Lightning
        ("state_dict.", ""),       // a checkpoint in a checkpoint
        ("_forward_module.", ""),  // Lightning, DeepSpeed
        ("base_model.model.", ""), // PEFT, merged
        ("_fsdp_wrapped_module.", "_fsdp_wrapped_module."), // block by block
        ("", "_orig_mod."),        // each block compiled
        ("", "_checkpoint_wrapped_module."), // recomputed
        ("model._orig_mod.module.", "_orig_mod._checkpoint_wrapped_module."),
    ] {
        let folder = copy("f32-tokens");
        rename(&folder, |name| {
            let name = match name.split_once(".ln_") {
                Some((block, rest)) if block.contains(".h.") => {
                    format!("{block}.{inside}ln_{rest}")
                }
                _ => name.to_owned(),
            };
            format!("{before}{name}")
        });
        let model = import(&folder.0);
        let model = model.unwrap_or_else(|error| panic!("{before}: {error}"));
        assert_eq!(model, original(), "{before} {inside}");
    }
}

#[test]
fn what_is_before_a_name_and_unknown_is_told() {
    let folder = copy("f32-tokens");
    rename(&folder, |name| format!("net.{name}"));
    let said = refusal(&folder, import);
    assert!(
        said.ends_with(
            "tensor \"h.0.ln_1.weight\" is missing, but \
             \"net.h.0.ln_1.weight\" is here; save the weights without what \
             is before this name"
        ),
        "{said}"
    );
}

#[test]
fn two_models_in_a_file_are_not_mixed() {
    let folder = copy("f32-tokens");
    rename(&folder, |name| match name.contains("ln_f") {
        true => name.replace("ln_f.bias", "model.ln_f.weight"),
        false => name.to_owned(),
    });
    let said = refusal(&folder, import);
    assert!(said.contains("\"ln_f.weight\" is there twice"), "{said}");
}

#[test]
fn one_name_of_a_tied_table_is_enough() {
    let folder = copy("f32-tokens");
    rename(&folder, |name| {
        name.replace("transformer.wte.weight", "lm_head.weight")
    });
    assert_eq!(import(&folder.0).unwrap(), original());
    // Where they are not tied, the table itself is missing
    field("tie_word_embeddings", json!(false))(&folder);
    let said = refusal(&folder, import);
    assert!(said.ends_with("tensor \"wte.weight\" is missing"), "{said}");
}

#[test]
fn sizes_have_two_names_that_must_agree() {
    for (short, long, size) in [
        ("n_layer", "num_hidden_layers", "2"),
        ("n_head", "num_attention_heads", "4"),
        ("n_embd", "hidden_size", "16"),
        ("n_positions", "max_position_embeddings", "12"),
    ] {
        let folder = copy("f32-tokens");
        folder.edit("config.json", |json| json[long] = json[short].clone());
        assert_eq!(import(&folder.0).unwrap(), original(), "{long}");
        field(long, json!(2000))(&folder);
        let said = refusal(&folder, import);
        let of =
            |name: &str| format!("{short} is {name}, but {long}, which is");
        assert!(said.contains(&of(size)), "{said}");
        assert!(said.contains("is 2000; one of them is wrong"), "{said}");
        // The long one alone is read
        folder.edit("config.json", |json| {
            json[long] = json.as_object_mut().unwrap().remove(short).unwrap();
        });
        assert_eq!(import(&folder.0).unwrap(), original(), "{long}");
        field(long, json!("x"))(&folder);
        let said = refusal(&folder, import);
        assert!(said.contains(&format!("{long} is \"x\", where ")), "{said}");
    }
}

#[test]
fn an_epsilon_is_compared_as_the_number_that_is_used() {
    let folder = copy("f32-tokens");
    for (epsilon, ours) in [
        ("9.999999747378752e-06", true), // the f32, through Python
        ("1e-05", true),
        ("0.00001", true),
        ("0.0000100001", false),
        ("1e-6", false),
        ("0", false),
        ("\"1e-5\"", false),
    ] {
        let epsilon: Value = serde_json::from_str(epsilon).unwrap();
        field("layer_norm_epsilon", epsilon.clone())(&folder);
        assert_eq!(import(&folder.0).is_ok(), ours, "{epsilon}");
    }
}

#[test]
fn every_name_of_our_activation_is_read() {
    let folder = copy("f32-tokens");
    for name in [
        "gelu_new",
        "gelu_pytorch_tanh",
        "gelu_python_tanh",
        "gelu_fast",
        "gelu_accurate",
    ] {
        field("activation_function", json!(name))(&folder);
        assert_eq!(import(&folder.0).unwrap(), original(), "{name}");
    }
}

#[test]
fn fields_that_mean_another_model_are_refused_by_name() {
    let said = table(
        "f32-tokens",
        load,
        &[
            ("the future is seen", &*field("is_causal", json!(false))),
            ("a short memory", &*field("sliding_window", json!(4))),
            ("layers of two kinds", &*field("layer_types", json!(["a", "b"]))),
            ("heads taken out", &*field("pruned_heads", json!({ "0": [1] }))),
            (
                "a layer of its own",
                &*field("per_layer_config", json!({ "1": { "n_head": 2 } })),
            ),
            (
                "weights elsewhere",
                &*field("transformers_weights", json!("../other.safetensors")),
            ),
            ("a model inside", &*field("text_config", json!({}))),
            ("an encoder", &*field("is_encoder_decoder", json!(true))),
            ("heads by two names", &*field("num_attention_heads", json!(2))),
        ],
    );
    assert_snapshot!("fields", said);
}

/// Makes the folder empty, and puts files there.
fn only(names: &'static [&'static str]) -> impl Fn(&Folder) {
    move |folder: &Folder| {
        fs::remove_file(folder.0.join("model.safetensors")).unwrap();
        names.iter().for_each(|name| folder.write(name, "x"));
    }
}

/// The same without a configuration.
fn bare(names: &'static [&'static str]) -> impl Fn(&Folder) {
    move |folder: &Folder| {
        only(names)(folder);
        fs::remove_file(folder.0.join("config.json")).unwrap();
    }
}

fn inside(name: &'static str) -> impl Fn(&Folder) {
    move |folder: &Folder| {
        bare(&[])(folder);
        fs::create_dir(folder.0.join(name)).unwrap();
    }
}

#[test]
fn what_is_there_instead_is_named_with_what_to_do() {
    let said = table(
        "f32-tokens",
        load,
        &[
            ("a pickle", &only(&["pytorch_model.bin"])),
            (
                "a pickle in parts",
                &only(&[
                    "pytorch_model-00001-of-00002.bin",
                    "pytorch_model.bin.index.json",
                ]),
            ),
            ("a checkpoint of Lightning", &only(&["last.ckpt"])),
            ("TensorFlow", &only(&["tf_model.h5"])),
            ("Flax", &only(&["flax_model.msgpack"])),
            ("llama.cpp", &bare(&["model-q8_0.gguf"])),
            ("ONNX", &only(&["model.onnx"])),
            (
                "an adapter alone",
                &bare(&["adapter_config.json", "adapter_model.safetensors"]),
            ),
            ("another name", &only(&["model.fp16.safetensors"])),
            (
                "parts without their list",
                &only(&["model-00001-of-00002.safetensors"]),
            ),
            ("what a Trainer has written", &inside("checkpoint-500")),
            ("the Hub's cache", &inside("snapshots")),
            ("FSDP", &inside("pytorch_model_fsdp_0")),
            ("DeepSpeed", &inside("global_step500")),
        ],
    );
    assert_snapshot!("instead", said);
}

#[test]
fn an_adapter_beside_the_weights_is_refused() {
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        let folder = copy("f32-tokens");
        folder.write(name, "{}");
        let said = refusal(&folder, import);
        assert_eq!(
            said,
            format!(
                "DIR/{name}: an adapter, which changes the weights of another \
                 model; merge the two, with merge_and_unload of PEFT, and save \
                 the whole model"
            )
        );
    }
    let folder = copy("f32-tokens");
    rename(&folder, |name| {
        let parts = name.replace("c_attn.weight", "c_attn.lora_A.weight");
        format!("base_model.model.{parts}")
    });
    let said = refusal(&folder, import);
    assert!(said.contains("safetensors: an adapter, which changes"), "{said}");
}

#[test]
fn a_type_is_looked_at_before_the_size() {
    for (dtype, bits) in
        [("F8_E4M3", 8), ("F8_E5M2", 8), ("I8", 8), ("F64", 64)]
    {
        let folder = copy("f32-tokens");
        folder.forge(|header, data| {
            let mut end = 0;
            for (name, info) in header.as_object_mut().unwrap() {
                if name == "__metadata__" {
                    continue;
                }
                let offset = |i: usize| info["data_offsets"][i].as_u64();
                let bytes = offset(1).unwrap() - offset(0).unwrap();
                let bytes = bytes * bits / 32;
                info["dtype"] = json!(dtype);
                info["data_offsets"] = json!([end, end + bytes]);
                end += bytes;
            }
            data.resize(end as usize, 0);
        });
        let said = refusal(&folder, import);
        let wanted = format!("is of type {dtype}, not F32, F16 or BF16; have ");
        assert!(said.contains(&wanted), "{said}");
    }
}

/// A text as it comes from a file must not command a terminal.
#[test]
fn nothing_from_a_file_is_printed_as_it_is() {
    const EVIL: &str = "\u{1b}[2J\u{7}\u{9b}\u{202e}\u{7f}\n";
    let config = |name: &'static str| field(name, json!(EVIL));
    let raw = |file: &'static str, text: &'static str| {
        move |folder: &Folder| {
            folder.write(file, text.replace("EVIL", "\\u001b[2J\\u009b\\u202e"))
        }
    };
    let dtype = |folder: &Folder| {
        folder.forge(|header, _| {
            header["transformer.ln_f.bias"]["dtype"] = json!(EVIL);
        });
    };
    let damages: [Damage; 9] = [
        ("a value", &*config("activation_function")),
        ("another", &*config("n_layer")),
        ("two sizes", &*config("hidden_size")),
        ("a type", &dtype),
        ("a name", &|folder| rename(folder, |name| format!("{EVIL}{name}"))),
        ("an offset", &|folder| {
            folder.forge(|header, _| {
                let mut info = header["transformer.ln_f.bias"].clone();
                info["data_offsets"] = json!([9, 5]);
                header[EVIL] = info;
            })
        }),
        ("no map", &raw("config.json", "\"EVIL\"")),
        ("an index", &|folder| {
            fs::remove_file(folder.0.join("model.safetensors")).unwrap();
            let text = r#"{"weight_map": "\u001b[2J\u009b\u202e"}"#;
            folder.write("model.safetensors.index.json", text);
        }),
        ("a file", &|folder| {
            fs::remove_file(folder.0.join("model.safetensors")).unwrap();
            folder.write("\u{1b}[2J\u{202e}.gguf", "");
        }),
    ];
    for (what, damage) in damages {
        let folder = copy("f32-tokens");
        damage(&folder);
        let said = refusal(&folder, import);
        let evil = |c: char| c.is_control() || c == '\u{202e}';
        assert!(!said.contains(evil), "{what}: {said:?}");
        assert!(said.len() < 700, "{what}: {said:?}");
    }
}
