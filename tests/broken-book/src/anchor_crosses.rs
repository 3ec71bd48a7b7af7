// ANCHOR: anchor_crosses
fn item() {}

// ANCHOR: crossed
fn other() {}
// ANCHOR_END: anchor_crosses

fn third() {}
// ANCHOR_END: crossed
