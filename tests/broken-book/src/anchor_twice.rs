// ANCHOR: anchor_twice
fn item() {}
// ANCHOR_END: anchor_twice

// ANCHOR: anchor_twice
fn other() {}
// ANCHOR_END: anchor_twice
