//! Who is logged in to the page's own server, where it has accounts.

use leptos::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use wasm_bindgen_futures::spawn_local;

use super::Ui;
use crate::client::{Client, SiteConfig};
use crate::net::api::{self, Refused};

/// Somebody who is logged in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Me {
    /// Their name.
    pub name: String,
    /// `member` or `admin`.
    pub role: String,
    /// Groups they belong to.
    #[serde(default)]
    pub groups: Vec<String>,
    /// What stands for them in announce URLs.
    pub passkey: String,
}

impl Me {
    /// Whether they decide about accounts and torrents.
    pub fn is_admin(&self) -> bool {
        self.role == "admin"
    }
}

/// What the server says of the account.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    account: Option<Me>,
    #[serde(default)]
    is_first: bool,
}

/// The account of this page.
#[derive(Clone, Copy)]
pub struct Account {
    /// Who is logged in.
    pub me: RwSignal<Option<Me>>,
    /// Whether the first account is still to be made.
    pub is_first: RwSignal<bool>,
    /// Whether the server was asked who is logged in.
    pub asked: RwSignal<bool>,
    site: RwSignal<SiteConfig>,
    required: RwSignal<u32>,
}

impl Account {
    /// Nobody yet.
    pub fn new(client: &Client) -> Self {
        let state = client.state();
        Self {
            me: RwSignal::new(None),
            is_first: RwSignal::new(false),
            asked: RwSignal::new(false),
            site: RwSignal::from(state.site.clone()),
            required: RwSignal::from(state.login_required.clone()),
        }
    }

    /// Whether the server has accounts.
    pub fn exists(self) -> bool {
        self.site.with(|site| site.accounts.is_some())
    }

    /// Who may register: `open`, `invite`, `closed`.
    pub fn registration(self) -> String {
        self.site.with(|site| site.accounts.as_ref().map(|it| it.registration.clone()).unwrap_or_default())
    }

    /// Whether nothing goes on here without a login.
    pub fn is_wanted(self) -> bool {
        let required = self.site.with(|site| site.accounts.as_ref().is_some_and(|it| it.required));
        self.asked.get() && self.me.with(Option::is_none) && (required || self.required.get() > 0)
    }

    /// Asks the server once it is known to have accounts, and again whenever it wants a login.
    pub fn follow(self, ui: Ui) {
        let exists = Memo::new(move |_| self.exists());
        Effect::new(move |_| {
            self.required.track();
            if exists.get() {
                self.ask(ui);
            }
        });
    }

    fn ask(self, ui: Ui) {
        spawn_local(async move {
            // A server that cannot be reached says nothing about who is logged in.
            let Ok(answer) = api::call::<Answer>("GET", "/api/account", None).await else { return };
            let was = self.me.with_untracked(Option::is_some);
            let is = answer.account.is_some();
            self.is_first.set(answer.is_first);
            self.me.set(answer.account);
            self.asked.set(true);
            if was != is || !is {
                ui.client().logged_in(is);
            }
        });
    }

    /// Logs in.
    pub async fn log_in(self, ui: Ui, name: &str, password: &str) -> Result<(), Refused> {
        self.enter(ui, "/api/account/login", json!({"name": name, "password": password})).await
    }

    /// Makes an account and logs in.
    pub async fn register(self, ui: Ui, name: &str, password: &str, invitation: &str) -> Result<(), Refused> {
        let body = json!({"name": name, "password": password, "invitation": invitation});
        self.enter(ui, "/api/account/register", body).await
    }

    /// Changes the password.
    pub async fn change_password(self, ui: Ui, current: &str, new: &str) -> Result<(), Refused> {
        self.enter(ui, "/api/account/password", json!({"current": current, "new": new})).await
    }

    /// What was under way goes on from here: the worker asks the tracker again, as whoever this is.
    async fn enter(self, ui: Ui, path: &str, body: Value) -> Result<(), Refused> {
        let answer: Answer = api::call("POST", path, Some(&body)).await?;
        self.is_first.set(false);
        self.me.set(answer.account);
        ui.client().logged_in(true);
        Ok(())
    }

    /// Logs out.
    pub async fn log_out(self, ui: Ui) -> Result<(), Refused> {
        api::call::<Value>("POST", "/api/account/logout", Some(&json!({}))).await?;
        self.me.set(None);
        ui.client().logged_in(false);
        Ok(())
    }

    /// Renews the passkey.
    pub async fn renew_passkey(self) -> Result<(), Refused> {
        #[derive(Deserialize)]
        struct Renewed {
            passkey: String,
        }
        let renewed: Renewed = api::call("POST", "/api/account/passkey", Some(&json!({}))).await?;
        self.me.update(|me| {
            if let Some(me) = me {
                me.passkey = renewed.passkey;
            }
        });
        Ok(())
    }

    /// Announce URLs of whoever is logged in: for browsers, for others over HTTP, and over UDP.
    pub fn announce_urls(self, origin: &str, hostname: &str) -> Vec<String> {
        let Some(passkey) = self.me.with(|me| me.as_ref().map(|me| me.passkey.clone())) else {
            return Vec::new();
        };
        let ws = match origin.strip_prefix("https://") {
            Some(host) => ["wss://", host].concat(),
            None => origin.replacen("http://", "ws://", 1),
        };
        let end = ["/", &passkey, "/announce"].concat();
        let udp = self.site.with(|site| site.udp_port);
        let udp = udp.map(|port| ["udp://", hostname, ":", &port.to_string(), &end].concat());
        [Some([origin, &end].concat()), udp, Some([ws.as_str(), &end].concat())]
            .into_iter()
            .flatten()
            .collect()
    }
}
