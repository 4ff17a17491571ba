//! Tabs that another tab opened for its comparison: receivers, and one that seeds.

use std::cell::RefCell;
use std::rc::Rc;

use leptos::prelude::*;
use send_wrapper::SendWrapper;
use wasm_bindgen_futures::spawn_local;

use crate::client::Client;
use crate::compare::http::{now, random_id};
use crate::compare::race::carry_out;
use crate::compare::room::{Room, Said, Task};
use crate::compare::seed;
use crate::state::use_ui;
use crate::text::compare as text;
use crate::{document, units};

/// How often a receiver tells how far it is, milliseconds.
const TELL_EVERY_MS: f64 = 100.0;

/// What a tab of a comparison shares among what it hears.
type Entered = Rc<RefCell<Option<Rc<Room>>>>;

/// A receiver.
#[component]
pub fn ReceiverPage(room: String) -> impl IntoView {
    let ui = use_ui();
    ui.current.set(None);
    let client = ui.client();
    let doing = RwSignal::new(text::RECEIVER_IDLE.to_owned());
    // A transfer that began before the latest stop is to end, even if another has begun since.
    let stops = RwSignal::new(0);
    let tab = random_id().unwrap_or_default();
    let entered: Entered = Rc::default();
    let hear = {
        let (tab, entered) = (tab.clone(), Rc::clone(&entered));
        move |said| {
            let Some(room) = entered.borrow().clone() else { return };
            match said {
                Said::Run(task) => {
                    let receiver = Receiver { room, tab: tab.clone(), doing, stops };
                    spawn_local(receiver.receive(client.clone(), task));
                }
                Said::Stop => stops.update(|stops| *stops += 1),
                Said::Close => close(),
                _ => {}
            }
        }
    };
    enter(&room, &entered, hear);
    if let Some(room) = &*entered.borrow() {
        room.say(&Said::Here { tab: tab.clone() });
    }
    let entered = SendWrapper::new(entered);
    let goodbye = {
        let (tab, entered) = (tab.clone(), entered.clone());
        window_event_listener(leptos::ev::pagehide, move |_| {
            if let Some(room) = &*entered.borrow() {
                room.say(&Said::Gone { tab: tab.clone() });
            }
        })
    };
    on_cleanup(move || {
        goodbye.remove();
        if let Some(room) = leave(&entered) {
            room.say(&Said::Gone { tab });
        }
    });
    view! {
        <section class="card" data-testid="receiver">
            <h1>{text::RECEIVER_TITLE}</h1>
            <p>{text::RECEIVER_NOTE}</p>
            <p class="note" aria-live="polite">{move || doing.get()}</p>
        </section>
    }
}

struct Receiver {
    room: Rc<Room>,
    tab: String,
    doing: RwSignal<String>,
    stops: RwSignal<u32>,
}

impl Receiver {
    async fn receive(self, client: Client, task: Task) {
        let Self { room, tab, doing, stops } = self;
        let begun_at = stops.get_untracked();
        let number = task.number;
        let progress = {
            let (room, tab, told) = (Rc::clone(&room), tab.clone(), RefCell::new(0.0));
            let size = task.size;
            move |bytes: u64| {
                let at = now();
                if at - *told.borrow() >= TELL_EVERY_MS || bytes >= size {
                    told.replace(at);
                    room.say(&Said::Far { tab: tab.clone(), number, bytes });
                    let far = [units::bytes(bytes), " / ".to_owned(), units::bytes(size)].concat();
                    doing.try_set([text::lane(task.lane), ": ", &far].concat());
                }
                stops.try_get_untracked() == Some(begun_at)
            }
        };
        let outcome = carry_out(&client, &task, Rc::new(progress)).await;
        let word = outcome.error.clone().unwrap_or_else(|| text::seconds(outcome.seconds));
        doing.try_set([text::lane(task.lane), ": ", &word].concat());
        room.say(&Said::Done { tab, number, outcome });
    }
}

/// One that fetches a file of the server's and seeds it.
#[component]
pub fn SeederPage(room: String) -> impl IntoView {
    let ui = use_ui();
    ui.current.set(None);
    let client = ui.client();
    let doing = RwSignal::new(text::SEEDER_IDLE.to_owned());
    let entered: Entered = Rc::default();
    let hear = {
        let entered = Rc::clone(&entered);
        move |said| {
            let Some(room) = entered.borrow().clone() else { return };
            match said {
                Said::Seed { path, name } => {
                    doing.set([&name, ": ", text::HASHING].concat());
                    let client = client.clone();
                    spawn_local(async move {
                        let seeding = seed::of_server(&client, &path, &name).await;
                        let word = seeding.as_ref().map_or_else(String::as_str, |_| text::SEED_HERE);
                        doing.try_set([&name, ": ", word].concat());
                        room.say(&Said::Seeding { path, outcome: seeding });
                    });
                }
                Said::Close => close(),
                _ => {}
            }
        }
    };
    enter(&room, &entered, hear);
    if let Some(room) = &*entered.borrow() {
        room.say(&Said::SeedHere);
    }
    let entered = SendWrapper::new(entered);
    on_cleanup(move || drop(leave(&entered)));
    view! {
        <section class="card" data-testid="seeder">
            <h1>{text::SEEDER_TITLE}</h1>
            <p class="note" aria-live="polite">{move || doing.get()}</p>
        </section>
    }
}

fn enter(name: &str, entered: &Entered, hear: impl Fn(Said) + 'static) {
    // Without broadcast channels the tab that leads does not hear of this one, and says that it waits.
    if let Ok(room) = Room::enter(name, hear) {
        entered.replace(Some(Rc::new(room)));
    }
}

/// The room is what hears, and what it hears with holds the room: only taking it out lets it go.
fn leave(entered: &Entered) -> Option<Rc<Room>> {
    entered.borrow_mut().take()
}

/// Works for tabs that a script opened, as these were.
fn close() {
    let _ = document::window().close();
}
