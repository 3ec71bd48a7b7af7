//! What the caches of a forward pass hold, in bytes, as chapter 5 counts it.

use allocation_counter::measure;
use microgpt::Float;
use microgpt::gpt::{Gpt, GptConfig};
use rand::{SeedableRng, rngs::ChaCha8Rng};

/// The bytes that are still allocated when a forward pass has returned.
fn kept(sizes: GptConfig, windows: usize) -> usize {
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    let model = Gpt::new(sizes, rng).expect("sizes that fit");
    let ids = vec![1; windows * sizes.block_size];
    // The first pass also makes the workspace of the products
    let mut out = Some(model.forward(&ids, sizes.block_size));
    drop(out.take());
    let info = measure(|| out = Some(model.forward(&ids, sizes.block_size)));
    drop(out);
    usize::try_from(info.bytes_current).expect("more than was there before")
}

#[test]
fn caches_hold_what_the_page_says() {
    let (n_head, n_embd, vocab_size) = (4, 64, 59);
    for (n_layer, t, windows) in [(1, 64, 1), (3, 64, 1), (3, 128, 2)] {
        let block_size = t;
        let sizes =
            GptConfig { n_layer, n_head, n_embd, block_size, vocab_size };
        let block = 16 * n_embd + n_head * t + 2;
        let norm = n_embd + 1;
        let head = n_embd + vocab_size;
        let numbers = windows * t * (n_layer * block + norm + head);
        let bytes = numbers * size_of::<Float>();
        let kept = kept(sizes, windows);
        // Beyond the numbers: the ids, and the structs that hold the arrays
        let beyond = kept.checked_sub(bytes).expect("all of it is kept");
        assert!(beyond < 2048 * n_layer, "{bytes} by the formula, {kept} kept");
        // A copy of one matrix in one block would be
        assert!(windows * t * n_embd * size_of::<Float>() > 2048 * n_layer);
    }
}
