// ANCHOR: anchor_of_comments
// There is no code here.
// ANCHOR_END: anchor_of_comments
