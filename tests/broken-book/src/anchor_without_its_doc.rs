/// Belongs to the item.
// ANCHOR: anchor_without_its_doc
fn item() {}
// ANCHOR_END: anchor_without_its_doc
