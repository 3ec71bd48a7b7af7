//! A chapter uses an appendix.

fn saved() -> crate::appendix::Checkpoint {
    todo!()
}
