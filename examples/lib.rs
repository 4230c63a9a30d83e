//! Nothing here: the examples stand in the files beside this one.
