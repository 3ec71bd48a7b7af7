// ANCHOR: anchor_of_nothing

// ANCHOR_END: anchor_of_nothing
