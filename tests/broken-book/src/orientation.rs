//! A chapter uses an appendix.

fn step(saved: &crate::appendix::Checkpoint) -> usize {
    saved.step
}
