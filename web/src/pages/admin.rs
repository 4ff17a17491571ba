//! What admins decide: accounts, invitations, and for whom torrents are.

use leptos::ev::SubmitEvent;
use leptos::html::Input;
use leptos::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::magnet::Link;
use wasm_bindgen_futures::spawn_local;

use crate::components::login::{Field, Handover, Trouble, TroubleLine};
use crate::net::api::{self, Refused};
use crate::platform::scope;
use crate::state::{Ui, use_ui};
use crate::text::account as words;
use crate::units;

/// An account in the list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Listed {
    id: i64,
    name: String,
    role: String,
    disabled: bool,
    groups: Vec<String>,
    uploaded: u64,
    downloaded: u64,
}

/// A registered torrent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Permission {
    info_hash: String,
    title: String,
    everyone: bool,
    #[serde(default)]
    accounts: Vec<String>,
    groups: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
struct Lists {
    #[serde(default)]
    accounts: Vec<Listed>,
    #[serde(default)]
    permissions: Vec<Permission>,
}

/// Everything there is, asked anew after each change.
#[derive(Clone, Copy)]
struct Book {
    ui: Ui,
    accounts: RwSignal<Vec<Listed>>,
    permissions: RwSignal<Vec<Permission>>,
    /// A password that was made here: of whom, and which.
    made: RwSignal<Option<(String, String)>>,
}

impl Book {
    async fn look(self) -> Result<(), Refused> {
        let accounts: Lists = api::call("GET", "/api/accounts", None).await?;
        let permissions: Lists = api::call("GET", "/api/permissions", None).await?;
        let _ = self.accounts.try_set(accounts.accounts);
        let _ = self.permissions.try_set(permissions.permissions);
        Ok(())
    }

    /// Has the server do something, says why it did not, and looks what there is now.
    fn ask(self, method: &'static str, path: String, body: Value, done: impl FnOnce(Self) + 'static) {
        spawn_local(async move {
            match api::call::<Value>(method, &path, Some(&body)).await {
                Ok(_) => done(self),
                Err(refused) => self.ui.say(words::refused(&refused, 0)),
            }
            if let Err(refused) = self.look().await {
                self.ui.say(words::refused(&refused, 0));
            }
        });
    }
}

/// Below the own account.
#[component]
pub fn Administration() -> impl IntoView {
    let ui = use_ui();
    let book = Book {
        ui,
        accounts: RwSignal::new(Vec::new()),
        permissions: RwSignal::new(Vec::new()),
        made: RwSignal::new(None),
    };
    spawn_local(async move {
        if let Err(refused) = book.look().await {
            ui.say(words::refused(&refused, 0));
        }
    });
    view! {
        <h2 class="view-sub">{words::ACCOUNTS}</h2>
        <div class="scroll">
            <table class="accounts-table" data-testid="accounts">
                <thead><tr>
                    <th scope="col">{words::NAME}</th><th scope="col">{words::ROLE}</th><th scope="col">{words::GROUPS}</th>
                    <th scope="col" class="number">{words::UP}</th><th scope="col" class="number">{words::DOWN}</th>
                    <th scope="col">{words::STATE}</th><th scope="col"><span class="offscreen">{words::RESET}</span></th>
                </tr></thead>
                <tbody><For each=move || book.accounts.get() key=|one| (one.id, one.role.clone(), one.disabled, one.groups.clone(), one.uploaded, one.downloaded) let:one><Row book one/></For></tbody>
            </table>
        </div>
        {move || book.made.get().map(|(name, password)| view! { <Handover label=words::password_of(&name) value=password copied=words::PASSWORD_COPIED/> })}
        <div class="settings accounts"><AddForm book/><InviteForm/></div>
        <h2 class="view-sub">{words::TORRENTS}</h2>
        <p class="note">{words::TORRENTS_NOTE}</p>
        <Permissions book/>
        <PermitForm book/>
    }
}

#[component]
fn Row(book: Book, one: Listed) -> impl IntoView {
    let (id, name, disabled) = (one.id, one.name.clone(), one.disabled);
    let path = move || ["/api/accounts/", &id.to_string()].concat();
    let change = move |body: Value| book.ask("PATCH", path(), body, |_| {});
    let reset = move |_| {
        let (name, password) = (name.clone(), draw_password());
        let body = json!({"password": password});
        book.ask("POST", [&path(), "/password"].concat(), body, move |book| {
            book.made.set(Some((name, password)));
        });
    };
    let role = move |event| change(json!({"role": event_target_value(&event)}));
    let groups = move |event| change(json!({"groups": names(&event_target_value(&event))}));
    let label = |what: &str| [what, ": ", &one.name].concat();
    view! {
        <tr data-testid="account-row" class:off=disabled>
            <th scope="row">{one.name.clone()}</th>
            <td><select aria-label=label(words::ROLE) on:change=role>
                <option value="member" selected=one.role == "member">{words::ROLE_MEMBER}</option>
                <option value="admin" selected=one.role == "admin">{words::ROLE_ADMIN}</option>
            </select></td>
            <td><input type="text" class="short" aria-label=label(words::GROUPS) placeholder=words::GROUPS_HINT value=one.groups.join(", ") on:change=groups/></td>
            <td class="number">{units::bytes(one.uploaded)}</td>
            <td class="number">{units::bytes(one.downloaded)}</td>
            <td>{if disabled { words::DISABLED } else { words::ENABLED }}</td>
            <td><span class="buttons">
                <button type="button" aria-label=label(if disabled { words::ENABLE } else { words::DISABLE }) on:click=move |_| change(json!({"disabled": !disabled}))>{if disabled { words::ENABLE } else { words::DISABLE }}</button>
                <button type="button" aria-label=label(words::RESET) on:click=reset>{words::RESET}</button>
            </span></td>
        </tr>
    }
}

#[component]
fn AddForm(book: Book) -> impl IntoView {
    let name = NodeRef::<Input>::new();
    let trouble = Trouble::none();
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        let Some(field) = name.get_untracked() else { return };
        trouble.begin();
        spawn_local(async move {
            let (name, password) = (field.value(), draw_password());
            let body = json!({"name": name, "password": password});
            let added = api::call::<Value>("POST", "/api/accounts", Some(&body)).await;
            if added.is_ok() {
                field.set_value("");
                let _ = book.made.try_set(Some((name, password)));
            }
            trouble.end(added);
            let _ = book.look().await;
        });
    };
    view! {
        <section class="card" aria-labelledby="add-title">
            <h3 class="card-title" id="add-title">{words::ADD_ACCOUNT}</h3>
            <form class="fields" on:submit=submit>
                <Field id="add-name" label=words::NAME field=name complete="one-time-code" hint=words::ADD_NOTE/>
                <TroubleLine trouble/>
                <button type="submit" data-testid="add-account" disabled=move || trouble.is_waiting()>{words::ADD}</button>
            </form>
        </section>
    }
}

#[component]
fn InviteForm() -> impl IntoView {
    let ui = use_ui();
    let link = RwSignal::new(None::<String>);
    let invite = move |_| {
        spawn_local(async move {
            #[derive(Deserialize)]
            struct Made {
                invitation: String,
            }
            match api::call::<Made>("POST", "/api/invitations", Some(&json!({}))).await {
                Ok(Made { invitation }) => {
                    let origin = ui.server.with_value(|server| server.origin.clone());
                    let _ = link.try_set(Some([&origin, "/#/account?invite=", &invitation].concat()));
                }
                Err(refused) => ui.say(words::refused(&refused, 0)),
            }
        });
    };
    view! {
        <section class="card" aria-labelledby="invite-title">
            <h3 class="card-title" id="invite-title">{words::INVITATION}</h3>
            <p class="note">{words::INVITE_NOTE}</p>
            {move || link.get().map(|link| view! { <Handover label=String::new() value=link copied=words::INVITE_COPIED/> })}
            <div class="buttons"><button type="button" data-testid="invite" on:click=invite>{words::INVITE}</button></div>
        </section>
    }
}

#[component]
fn Permissions(book: Book) -> impl IntoView {
    let row = move |one: Permission| {
        let path = ["/api/permissions/", &one.info_hash].concat();
        let whom = match (&one.groups, one.everyone) {
            (Some(groups), false) => {
                let all: Vec<&str> = one.accounts.iter().chain(groups).map(String::as_str).collect();
                if all.is_empty() { words::ROLE_ADMIN.to_owned() } else { all.join(", ") }
            }
            _ => words::EVERYONE.to_owned(),
        };
        let label = [words::UNREGISTER, ": ", &one.title].concat();
        let remove = move |_| book.ask("DELETE", path.clone(), json!({}), |book| book.ui.say(words::DONE));
        view! {
            <tr data-testid="permission-row">
                <th scope="row">{one.title.clone()}</th>
                <td class="mono">{one.info_hash}</td>
                <td>{whom}</td>
                <td><button type="button" aria-label=label on:click=remove>{words::UNREGISTER}</button></td>
            </tr>
        }
    };
    move || {
        let list = book.permissions.get();
        if list.is_empty() {
            return view! { <p class="empty">{words::NO_TORRENTS}</p> }.into_any();
        }
        view! {
            <div class="scroll"><table>
                <thead><tr><th scope="col">{words::TITLE}</th><th scope="col">"Info-hash"</th><th scope="col">{words::FOR}</th><th scope="col"><span class="offscreen">{words::UNREGISTER}</span></th></tr></thead>
                <tbody>{list.into_iter().map(row).collect::<Vec<_>>()}</tbody>
            </table></div>
        }
        .into_any()
    }
}

#[component]
fn PermitForm(book: Book) -> impl IntoView {
    let (torrent, accounts, groups) =
        (NodeRef::<Input>::new(), NodeRef::<Input>::new(), NodeRef::<Input>::new());
    let everyone = RwSignal::new(true);
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        let value =
            |field: NodeRef<Input>| field.get_untracked().map(|field| field.value()).unwrap_or_default();
        let text = value(torrent);
        let Ok(link) = link_of(&text).parse::<Link>() else {
            return book.ui.say(words::NO_HASH);
        };
        let body = json!({
            "title": link.name.clone().unwrap_or_default(), "everyone": everyone.get_untracked(),
            "accounts": names(&value(accounts)), "groups": names(&value(groups)),
        });
        let path = ["/api/permissions/", &link.info_hash.to_string()].concat();
        book.ask("PUT", path, body, move |book| {
            if let Some(Some(field)) = torrent.try_get_untracked() {
                field.set_value("");
            }
            book.ui.say(words::DONE);
        });
    };
    let choice = move |value: bool, word: &'static str| {
        view! {
            <label><input type="radio" name="audience" prop:checked=move || everyone.get() == value on:change=move |_| everyone.set(value)/><span>{word}</span></label>
        }
    };
    view! {
        <form class="card fields permit" on:submit=submit>
            <Field id="permit-torrent" label=words::TORRENT field=torrent complete="one-time-code"/>
            <fieldset class="segments"><legend>{words::FOR}</legend>{choice(true, words::EVERYONE)}{choice(false, words::ONLY)}</fieldset>
            <Show when=move || !everyone.get()>
                <Field id="permit-accounts" label=words::ACCOUNT_NAMES field=accounts complete="off"/>
                <Field id="permit-groups" label=words::GROUP_NAMES field=groups complete="off"/>
            </Show>
            <button type="submit" data-testid="permit">{words::REGISTER_TORRENT}</button>
        </form>
    }
}

/// What stands in a text that is a link, a share link or a bare info-hash.
fn link_of(text: &str) -> &str {
    let text = text.trim();
    match text.split_once('#') {
        Some((_, fragment)) if !text.starts_with("magnet:") => fragment,
        _ => text,
    }
}

fn names(text: &str) -> Vec<String> {
    text.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// 120 random bits, without letters that are mistaken for digits.
fn draw_password() -> String {
    let bytes: [u8; 15] = scope::random_bytes().unwrap_or_default();
    data_encoding::BASE32_NOPAD.encode(&bytes).to_lowercase()
}
