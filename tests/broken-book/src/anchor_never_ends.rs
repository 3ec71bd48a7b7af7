// ANCHOR: anchor_never_ends
fn item() {}
