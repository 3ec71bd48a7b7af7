fn item() {}
// ANCHOR_END: anchor_never_begins
