//! Rebuilds the tracker when the page that is built into it changes.

fn main() {
    // A missing directory would mean a rebuild each time.
    let dist = "../dist";
    let _ = std::fs::create_dir_all(dist);
    println!("cargo:rerun-if-changed={dist}");
}
