// ANCHOR: anchor_with_a_loose_end
fn item() {}

/// Belongs to the item below.
// ANCHOR_END: anchor_with_a_loose_end
fn other() {}
