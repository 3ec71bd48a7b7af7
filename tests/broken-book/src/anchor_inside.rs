// ANCHOR: anchor_inside
fn item() {}

// ANCHOR: inner
fn other() {}
// ANCHOR_END: inner
// ANCHOR_END: anchor_inside
