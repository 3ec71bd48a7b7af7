// ANCHOR: forgotten
fn forgotten() {}
// ANCHOR_END: forgotten
