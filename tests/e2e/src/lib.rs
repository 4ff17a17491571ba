//! Browser tests: a harness that starts the tracker's executable and real Chromium, and drives them as people would.

pub mod browser;
pub mod cdp;
pub mod channel;
pub mod files;
pub mod firefox;
pub mod foreign;
pub mod memory;
pub mod netns;
pub mod page;
pub mod peer;
pub mod raw;
pub mod runner;
pub mod site;
pub mod stock;
pub mod target;
pub mod tracker;
