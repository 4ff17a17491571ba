//! Account: log in, register, the own account; for admins, everybody's.

use leptos::ev::SubmitEvent;
use leptos::html::Input;
use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;

use super::admin::Administration;
use crate::components::login::{Field, LoginForm, RegisterForm, Trouble, TroubleLine};
use crate::routes::Route;
use crate::state::account::Me;
use crate::state::use_ui;
use crate::text::account as words;
use crate::{document, text};

/// The view.
#[component]
pub fn AccountPage(invitation: Option<String>) -> impl IntoView {
    let ui = use_ui();
    ui.current.set(None);
    let account = ui.account;
    let name =
        Memo::new(move |_| account.me.with(|me| me.as_ref().map(|me| (me.name.clone(), me.is_admin()))));
    let invitation = StoredValue::new(invitation);
    view! {
        <h1 class="view-title">{words::ACCOUNT}</h1>
        {move || match name.get() {
            _ if !account.exists() => view! { <p class="empty">{words::NO_ACCOUNTS}</p> }.into_any(),
            Some((_, is_admin)) => view! { <Own/> {is_admin.then(|| view! { <Administration/> })} }.into_any(),
            None => match invitation.get_value() {
                Some(code) => view! { <Register code/> }.into_any(),
                None => view! { <LogIn/> }.into_any(),
            },
        }}
    }
}

#[component]
fn LogIn() -> impl IntoView {
    let account = use_ui().account;
    view! {
        <section class="card login" aria-labelledby="login-title">
            <h2 id="login-title" class="gate-title">{words::LOG_IN}</h2>
            <LoginForm/>
            {move || match account.registration().as_str() {
                _ if account.is_first.get() => view! { <p class="note">{words::FIRST}</p> }.into_any(),
                "closed" => view! { <p class="note" data-testid="registration-closed">{words::CLOSED}</p> }.into_any(),
                "open" => view! { <a class="note" href="#/account?invite=">{words::NO_ACCOUNT}</a> }.into_any(),
                _ => view! { <a class="note" href="#/account?invite=">{words::HAVE_INVITATION}</a> }.into_any(),
            }}
        </section>
    }
}

#[component]
fn Register(code: String) -> impl IntoView {
    view! {
        <section class="card login" aria-labelledby="register-title">
            <h2 id="register-title" class="gate-title">{words::REGISTER}</h2>
            <RegisterForm invitation=code/>
            <a class="note" href="#/account">{words::HAVE_ACCOUNT}</a>
        </section>
    }
}

/// Who is logged in, and what they may change.
#[component]
fn Own() -> impl IntoView {
    let ui = use_ui();
    let log_out = move |_| {
        spawn_local(async move {
            match ui.account.log_out(ui).await {
                Ok(()) => {
                    ui.say(words::LOGGED_OUT);
                    ui.show(Route::Account(None));
                }
                Err(refused) => ui.say(words::refused(&refused, 0)),
            }
        });
    };
    let me = move || ui.account.me.get();
    let role = |me: &Me| if me.is_admin() { words::ROLE_ADMIN } else { words::ROLE_MEMBER };
    view! {
        <div class="settings accounts">
            <section class="card" aria-label=words::YOUR_ACCOUNT>
                <dl class="figures">
                    <dt>{words::NAME}</dt><dd data-testid="my-name">{move || me().map(|me| me.name)}</dd>
                    <dt>{words::ROLE}</dt><dd>{move || me().map(|me| role(&me))}</dd>
                    <dt>{words::GROUPS}</dt><dd>{move || me().map(|me| if me.groups.is_empty() { "\u{2013}".to_owned() } else { me.groups.join(", ") })}</dd>
                </dl>
                <div class="buttons"><button type="button" data-testid="log-out" on:click=log_out>{words::LOG_OUT}</button></div>
            </section>
            <AnnounceUrls/>
            <PasswordForm/>
        </div>
    }
}

/// Announce URLs with the passkey, hidden until they are wanted: somebody may be looking over the shoulder.
#[component]
fn AnnounceUrls() -> impl IntoView {
    let ui = use_ui();
    let shown = RwSignal::new(false);
    let urls = move || {
        let origin = ui.server.with_value(|server| server.origin.clone());
        ui.account.announce_urls(&origin, &document::hostname())
    };
    let renew = move |_| {
        spawn_local(async move {
            match ui.account.renew_passkey().await {
                Ok(()) => ui.say(words::RENEWED),
                Err(refused) => ui.say(words::refused(&refused, 0)),
            }
        });
    };
    let line = move |url: String| {
        let hidden = ui
            .account
            .me
            .with(|me| me.as_ref().map(|me| url.replace(&me.passkey, "\u{2022}\u{2022}\u{2022}\u{2022}")));
        let text = if shown.get() { url.clone() } else { hidden.unwrap_or_default() };
        view! {
            <li>
                <code class="mono url" data-testid="announce-url">{text}</code>
                <button type="button" class="quiet" on:click=move |_| ui.copy(url.clone(), words::URL_COPIED)>{text::COPY}</button>
            </li>
        }
    };
    view! {
        <section class="card" aria-labelledby="urls-title">
            <h2 class="card-title" id="urls-title">{words::ANNOUNCE_URLS}</h2>
            <p class="note">{words::ANNOUNCE_NOTE}</p>
            <ul class="urls">{move || urls().into_iter().map(line).collect::<Vec<_>>()}</ul>
            <div class="buttons">
                <button type="button" data-testid="show-passkey" aria-pressed=move || shown.get().to_string() on:click=move |_| shown.update(|shown| *shown = !*shown)>
                    {move || if shown.get() { words::HIDE } else { words::SHOW }}
                </button>
                <button type="button" data-testid="renew-passkey" on:click=renew>{words::RENEW}</button>
            </div>
        </section>
    }
}

#[component]
fn PasswordForm() -> impl IntoView {
    let ui = use_ui();
    let (current, new) = (NodeRef::<Input>::new(), NodeRef::<Input>::new());
    let trouble = Trouble::none();
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        let (Some(current), Some(new)) = (current.get_untracked(), new.get_untracked()) else { return };
        trouble.begin();
        spawn_local(async move {
            let changed = ui.account.change_password(ui, &current.value(), &new.value()).await;
            if changed.is_ok() {
                current.set_value("");
                new.set_value("");
                ui.say(words::PASSWORD_CHANGED);
            }
            trouble.end(changed);
        });
    };
    view! {
        <section class="card" aria-labelledby="password-title">
            <h2 class="card-title" id="password-title">{words::CHANGE_PASSWORD}</h2>
            <form class="fields" on:submit=submit>
                <Field id="current-password" label=words::CURRENT_PASSWORD field=current complete="current-password" secret=true/>
                <Field id="new-password" label=words::NEW_PASSWORD field=new complete="new-password" secret=true hint=words::PASSWORD_HINT/>
                <TroubleLine trouble/>
                <button type="submit" data-testid="change-password" disabled=move || trouble.is_waiting()>{words::CHANGE_PASSWORD}</button>
            </form>
        </section>
    }
}
