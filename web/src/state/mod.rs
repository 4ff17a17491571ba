//! What the views share beside the engine's own state ([`crate::client::PageState`]): where the person is, what they
//! chose, what they are being told.

pub mod account;
pub mod actions;
pub mod awake;
#[cfg(feature = "demo")]
pub mod demo;
pub mod diagnostics;
pub mod history;
pub mod opening;
pub mod server;
pub mod settings;
pub mod status;
pub mod title;

use leptos::prelude::*;
use shared::id::InfoHash;

use crate::client::{Client, CreationId, TransferView};
use crate::compare::race::Race;
use crate::document;
use crate::routes::Route;
use account::Account;
use history::Histories;
use server::Server;
use settings::Settings;

/// Given to every component by context.
#[derive(Clone, Copy)]
pub struct Ui {
    /// The view that is shown; follows the address.
    pub route: RwSignal<Route>,
    /// The torrent of the view that is shown, if it is about one.
    pub current: RwSignal<Option<InfoHash>>,
    /// What was dropped last and is being hashed, with the files as they were given. What was dropped before it may be
    /// hashed still: all of that is in the client's list.
    pub creating: RwSignal<Option<Creating>>,
    /// Whether files are being dragged over the page.
    pub dragging: RwSignal<bool>,
    /// Whether the list of shortcuts is open.
    pub help: RwSignal<bool>,
    /// One line that confirms or explains the last action.
    pub toast: RwSignal<Option<String>>,
    /// The peer whose pieces stand out in the piece field, by its slot.
    pub highlight: RwSignal<Option<u8>>,
    /// Changes whenever colours did, or what was not drawn in a hidden tab has to be.
    pub scheme: RwSignal<u32>,
    /// Rates of the last two minutes, per torrent.
    pub histories: Histories,
    /// The comparison of this tab.
    pub race: Race,
    /// What this browser keeps: theme and limits.
    pub settings: Settings,
    /// Who is logged in to it.
    pub account: Account,
    /// The page's own server.
    pub server: StoredValue<Server>,
    client: StoredValue<Client>,
}

/// Files that are being hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Creating {
    /// The client's name for it.
    pub id: CreationId,
    /// Paths, joined by `/`, and lengths.
    pub files: Vec<(String, u64)>,
}

impl Ui {
    /// A state for this client, at the view that the address names.
    pub fn new(client: Client) -> Self {
        Self {
            route: RwSignal::new(Route::parse(&document::fragment())),
            current: RwSignal::new(None),
            creating: RwSignal::new(None),
            dragging: RwSignal::new(false),
            help: RwSignal::new(false),
            toast: RwSignal::new(None),
            highlight: RwSignal::new(None),
            scheme: RwSignal::new(0),
            histories: Histories::default(),
            race: Race::new(client.clone()),
            settings: Settings::load(),
            account: Account::new(&client),
            server: StoredValue::new(Server::here()),
            client: StoredValue::new(client),
        }
    }

    /// The handle on the engine worker.
    pub fn client(&self) -> Client {
        self.client.get_value()
    }

    /// The view of a torrent, for as long as the calling component lives. Tracks the list of torrents.
    pub fn transfer(&self, info_hash: InfoHash) -> Option<RwSignal<TransferView>> {
        self.client
            .with_value(|client| client.state().transfer(info_hash))
            .map(|row| RwSignal::from(row.view))
    }

    /// Says one line, until the next or until it has been read.
    pub fn say(&self, line: impl Into<String>) {
        self.toast.set(Some(line.into()));
    }
}

/// The state that the app gave.
pub fn use_ui() -> Ui {
    expect_context::<Ui>()
}
