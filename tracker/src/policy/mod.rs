//! Who may do what. Pure: facts about a request go in, a decision comes out, and every frontend asks the same.

pub(crate) mod who;
