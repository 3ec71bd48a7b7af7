// ANCHOR: anchor_never_ends
fn item() {}

// ANCHOR: below
fn other() {}
// ANCHOR_END: below
