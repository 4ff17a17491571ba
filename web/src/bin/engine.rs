//! The engine worker, and in another role the hash workers.

fn main() {
    console_error_panic_hook::set_once();
    web::engine::start();
}
