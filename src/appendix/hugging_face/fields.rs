//! Every field that `transformers` reads for a GPT-2, and what becomes of it.

use serde_json::{Map, Value};

use super::config::wrong;
use super::error::Fault;

/// What becomes of a field of a folder's configurations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is read.
    Honored,
    /// It may have one of these values, or be absent: JSON, with `or` between.
    /// Another value is refused.
    Only(&'static str),
}

use Role::{Honored, Only};

// ANCHOR: config_fields
/// The fields of `config.json` that change what a model says, by what becomes
/// of them.
pub const CONFIG_FIELDS: &[(Role, &str)] = &[
    (Honored, "vocab_size n_layer n_head n_embd n_positions n_inner"),
    (Honored, "num_hidden_layers num_attention_heads hidden_size"),
    (Honored, "max_position_embeddings eos_token_id"),
    (Only("true or false"), "tie_word_embeddings"), // and honored
    // What our model is
    (Only("\"gpt2\""), "model_type"),
    (Only(GELU), "activation_function"),
    (Only("1e-5"), "layer_norm_epsilon"),
    (Only("true"), "scale_attn_weights is_causal"),
    (Only("false"), "scale_attn_by_inverse_layer_idx add_cross_attention"),
    (Only("false"), "is_encoder_decoder"),
    (Only("{} or null"), "pruned_heads per_layer_config"),
    (Only("null"), "quantization_config transformers_weights"),
    (Only("null"), "sliding_window attention_chunk_size layer_types"),
    (Only("null"), "num_kv_shared_layers kv_sharing_modes fusion_config"),
    (Only("null"), "text_config decoder generator"),
];
// ANCHOR_END: config_fields

/// The names that `transformers` has for our GELU.
const GELU: &str = "\"gelu_new\" or \"gelu_pytorch_tanh\" or \
    \"gelu_python_tanh\" or \"gelu_fast\" or \"gelu_accurate\"";

/// The fields of `tokenizer_config.json` that change ids. Besides, whatever
/// ends in `_token` names a token, which `tokenizer.json` must have too.
pub const TOKENIZER_FIELDS: &[(Role, &str)] = &[
    (Honored, "add_prefix_space added_tokens_decoder"),
    (Honored, "additional_special_tokens extra_special_tokens"),
    (Honored, "model_specific_special_tokens"),
    (Only(CLASSES), "tokenizer_class"),
    (Only("false or null"), "add_bos_token add_eos_token do_lower_case"),
    (Only("false or null"), "from_slow"),
    (Only("true or false or null"), "split_special_tokens"), // and honored
    (Only("null"), "tokenizer_file"),
];

/// The classes that leave to `tokenizer.json` what a text's ids are.
const CLASSES: &str = "\"GPT2Tokenizer\" or \"GPT2TokenizerFast\" or \
    \"PreTrainedTokenizerFast\" or \"TokenizersBackend\" or null";

/// The fields of `config.json` that change no logit: they may be anything.
pub const CONFIG_HARMLESS: &[&str] = &[
    // How it is trained, and with what precision it is computed
    "attn_pdrop embd_pdrop resid_pdrop initializer_range",
    "gradient_checkpointing reorder_and_upcast_attn",
    "dtype torch_dtype use_bfloat16 torchscript tf_legacy_loss",
    "chunk_size_feed_forward distributed_config",
    // Other heads than the one that predicts the next token
    "summary_type summary_use_proj summary_activation",
    "summary_proj_to_labels summary_first_dropout",
    "summary_last_dropout num_labels id2label label2id",
    "problem_type task_specific_params finetuning_task",
    "classifier_dropout hidden_dropout",
    // Of an encoder, which there is none
    "is_decoder cross_attention_hidden_size tie_encoder_decoder",
    "decoder_start_token_id",
    // How to sample, which our programs ask their user
    "do_sample temperature top_k top_p min_p typical_p num_beams",
    "num_beam_groups num_return_sequences max_length min_length",
    "early_stopping length_penalty repetition_penalty",
    "diversity_penalty no_repeat_ngram_size bad_words_ids",
    "encoder_no_repeat_ngram_size remove_invalid_values",
    "exponential_decay_length_penalty suppress_tokens",
    "begin_suppress_tokens forced_bos_token_id",
    "forced_eos_token_id prefix use_cache epsilon_cutoff",
    "eta_cutoff",
    "encoder_repetition_penalty target_lookbehind",
    "assistant_confidence_threshold assistant_lookbehind",
    "num_assistant_tokens num_assistant_tokens_schedule",
    // Names, and what is returned beside the logits
    "architectures tokenizer_class transformers_version",
    "name_or_path auto_map n_ctx",
    "bos_token_id pad_token_id sep_token_id return_dict",
    "return_dict_in_generate output_scores output_attentions",
    "output_hidden_states output_cross_attentions gguf_file",
    // Of other models
    "head_dim rope_parameters mtp_layer_types attn_implementation",
    "vision_aspect_ratio vision_feature_layer",
    "vision_feature_select_strategy",
];

/// The fields of `tokenizer_config.json` that change no id.
pub const TOKENIZER_HARMLESS: &[&str] = &[
    // What is done with ids later
    "model_input_names model_max_length max_length max_len",
    "max_target_length padding padding_side pad_to_multiple_of",
    "pad_token_type_id truncation truncation_side",
    "truncation_strategy stride tokenizer_padding",
    "tokenizer_truncation _json_padding _json_truncation",
    "is_split_into_words",
    // How text is shown
    "chat_template chat_control_tokens sanitize_control_tokens",
    "response_schema response_template add_generation_prompt",
    "clean_up_tokenization_spaces",
    "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output",
    "errors verbose src_lang tgt_lang",
    // What tokenizer.json says, and wins
    "vocab merges vocab_file merges_file post_processor unk_id",
    "continuing_subword_prefix end_of_word_suffix legacy",
    "tokenizer tokenizer_object tokenizer_type fix_mistral_regex",
    "_spm_precompiled_charsmap mistral_format",
    // How it was found, and is saved
    "__slow_tokenizer _commit_hash _from_auto _from_pipeline",
    "auto_map backend cache_dir code_revision commit_message",
    "config files_loaded gguf_file ignore_metadata_errors",
    "init_inputs is_local local_files_only name_or_path",
    "organization processor_class proxies repo_id",
    "repo_path_or_name repo_url resume_download revision",
    "save_jinja_files special_tokens_map_file subfolder token",
    "trust_remote_code use_fast use_source_tokenizer",
];

/// Refuses a field that has not one of its values.
pub(super) fn check(
    json: &Map<String, Value>,
    fields: &[(Role, &'static str)],
) -> Result<(), Fault> {
    for (role, names) in fields {
        let Only(wanted) = role else { continue };
        for name in names.split_whitespace() {
            let found = json.get(name);
            let is = |wanted: &str| found.is_none_or(|it| same(it, wanted));
            if !wanted.split(" or ").any(is) {
                return Err(wrong(name, found, wanted));
            }
        }
    }
    Ok(())
}

/// Whether a value is the one in the text; a number, as far as `f32` can tell.
fn same(found: &Value, wanted: &str) -> bool {
    match (found.as_f64(), wanted.parse::<f32>()) {
        (Some(found), Ok(wanted)) => found as f32 == wanted,
        _ => serde_json::from_str(wanted).is_ok_and(|it: Value| it == *found),
    }
}
