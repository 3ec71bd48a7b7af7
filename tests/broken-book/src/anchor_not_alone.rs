// ANCHOR: anchor_not_alone
fn item() {}
// ANCHOR_END: anchor_not_alone, and a word
