// ANCHOR: anchor_begins_indented
    #[inline]
fn item() {}
// ANCHOR_END: anchor_begins_indented
