//! Logging in and registering, wherever it is wanted.

use gloo_timers::callback::Interval;
use leptos::ev::SubmitEvent;
use leptos::html::Input;
use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;

use super::icon::{Icon, Sign};
use crate::net::api::Refused;
use crate::routes::Route;
use crate::state::server::Server;
use crate::state::use_ui;
use crate::text::account as words;
use crate::{document, text};

/// Above whatever is in view, while the tracker wants a login: the view stays, and goes on afterwards.
#[component]
pub fn LoginGate() -> impl IntoView {
    let ui = use_ui();
    let shown = Memo::new(move |_| ui.account.is_wanted() && !matches!(ui.route.get(), Route::Account(_)));
    view! {
        <Show when=move || shown.get()>
            <section class="card login gate" data-testid="login-gate" aria-labelledby="gate-title">
                <h2 id="gate-title" class="gate-title">{words::PRIVATE_TITLE}</h2>
                <p class="note">{words::PRIVATE_NEXT}</p>
                <LoginForm/>
                <Elsewhere/>
            </section>
        </Show>
    }
}

/// How to come by an account.
#[component]
fn Elsewhere() -> impl IntoView {
    let account = use_ui().account;
    move || {
        let word = match account.registration().as_str() {
            _ if account.is_first.get() => return view! { <p class="note">{words::FIRST}</p> }.into_any(),
            "closed" => return view! { <p class="note">{words::CLOSED}</p> }.into_any(),
            "open" => words::NO_ACCOUNT,
            _ => words::HAVE_INVITATION,
        };
        view! { <a class="note" href="#/account?invite=">{word}</a> }.into_any()
    }
}

/// Name and password.
#[component]
pub fn LoginForm() -> impl IntoView {
    let ui = use_ui();
    let (name, password) = (NodeRef::<Input>::new(), NodeRef::<Input>::new());
    let trouble = Trouble::none();
    let ready = RwSignal::new(!is_clear());
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        let (Some(name), Some(field)) = (name.get_untracked(), password.get_untracked()) else { return };
        trouble.begin();
        spawn_local(async move {
            let logged_in = ui.account.log_in(ui, &name.value(), &field.value()).await;
            if logged_in.is_ok() {
                ui.say(words::LOGGED_IN);
            } else {
                field.set_value("");
                let _ = field.focus();
            }
            trouble.end(logged_in);
        });
    };
    view! {
        <Clear ready/>
        <Show when=move || ready.get()>
            <form class="fields" data-testid="login-form" on:submit=submit>
                <Field id="login-name" label=words::NAME field=name complete="username"/>
                <Field id="login-password" label=words::PASSWORD field=password complete="current-password" secret=true/>
                <TroubleLine trouble/>
                <button type="submit" class="primary" data-testid="log-in" disabled=move || trouble.is_waiting()>{words::LOG_IN}</button>
            </form>
        </Show>
    }
}

/// Name, password and, where it is needed, an invitation.
#[component]
pub fn RegisterForm(invitation: String) -> impl IntoView {
    let ui = use_ui();
    let (name, password, code) = (NodeRef::<Input>::new(), NodeRef::<Input>::new(), NodeRef::<Input>::new());
    let trouble = Trouble::none();
    let ready = RwSignal::new(!is_clear());
    let invited = StoredValue::new(invitation);
    let needs_code = move || ui.account.registration() != "open" || ui.account.is_first.get();
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        let (Some(name), Some(password)) = (name.get_untracked(), password.get_untracked()) else { return };
        let code = code.get_untracked().map(|field| field.value()).unwrap_or_default();
        trouble.begin();
        spawn_local(async move {
            let made = ui.account.register(ui, &name.value(), &password.value(), &code).await;
            if made.is_ok() {
                // The code is used up, and no more to be seen.
                document::replace_fragment(&Route::Account(None).fragment());
                ui.route.set(Route::Account(None));
                ui.say(words::LOGGED_IN);
            }
            trouble.end(made);
        });
    };
    view! {
        <Clear ready/>
        <Show when=move || ready.get()>
            <form class="fields" data-testid="register-form" on:submit=submit>
                <Show when=needs_code>
                    <Field id="register-code" label=words::INVITATION field=code complete="off" hint=words::INVITATION_HINT value=invited.get_value()/>
                </Show>
                <Field id="register-name" label=words::NAME field=name complete="username"/>
                <Field id="register-password" label=words::PASSWORD field=password complete="new-password" secret=true hint=words::PASSWORD_HINT/>
                <TroubleLine trouble/>
                <button type="submit" class="primary" data-testid="register" disabled=move || trouble.is_waiting()>{words::REGISTER}</button>
            </form>
        </Show>
    }
}

/// One line to type into.
#[component]
pub fn Field(
    id: &'static str,
    label: &'static str,
    field: NodeRef<Input>,
    /// What a browser may fill in.
    complete: &'static str,
    #[prop(optional)] secret: bool,
    #[prop(optional)] hint: &'static str,
    #[prop(optional)] value: String,
) -> impl IntoView {
    let hint_id = [id, "-hint"].concat();
    let described = (!hint.is_empty()).then(|| hint_id.clone());
    view! {
        <div class="labelled">
            <label for=id>{label}</label>
            <input id=id data-testid=id node_ref=field type=if secret { "password" } else { "text" } autocomplete=complete autocapitalize="none"
                spellcheck="false" required=complete != "off" value=value aria-describedby=described/>
            {(!hint.is_empty()).then(|| view! { <small id=hint_id>{hint}</small> })}
        </div>
    }
}

/// Whether a password would go over the network as it is.
fn is_clear() -> bool {
    !document::is_secure()
}

/// Said before a password is asked for over an address in clear.
#[component]
fn Clear(ready: RwSignal<bool>) -> impl IntoView {
    let site = RwSignal::from(use_ui().client().state().site.clone());
    let secure = move || {
        site.with(|site| site.tls_port)
            .map(|port| [&Server::secure_origin(port), "/", &document::fragment()].concat())
    };
    is_clear().then(|| {
        view! {
            <p class="banner wrong" role="alert" data-testid="clear-warning">
                <Icon sign=Sign::Warning/>
                <span>{words::CLEAR} " " {move || secure().map(|address| view! { <a href=address>{words::CLEAR_LINK}</a> })}</span>
            </p>
            <Show when=move || !ready.get()>
                <button type="button" data-testid="clear-anyway" on:click=move |_| ready.set(true)>{words::CLEAR_ANYWAY}</button>
            </Show>
        }
    })
}

/// Why a form was not taken, and for how long it will not be.
#[derive(Clone, Copy)]
pub struct Trouble {
    refused: RwSignal<Option<Refused>>,
    left: RwSignal<u64>,
    busy: RwSignal<bool>,
}

impl Trouble {
    /// None yet. The seconds to wait are counted for as long as the calling component lives.
    pub fn none() -> Self {
        let left = RwSignal::new(0);
        let tick = Interval::new(1_000, move || {
            left.maybe_update(|left: &mut u64| {
                let counts = *left > 0;
                *left = left.saturating_sub(1);
                counts
            });
        });
        let tick = StoredValue::new_local(Some(tick));
        on_cleanup(move || {
            let _ = tick.try_update_value(Option::take);
        });
        Self { refused: RwSignal::new(None), left, busy: RwSignal::new(false) }
    }

    /// The server is being asked.
    pub fn begin(self) {
        self.refused.set(None);
        self.busy.set(true);
    }

    /// It answered. The form may be gone by then.
    pub fn end<T>(self, answer: Result<T, Refused>) {
        let refused = answer.err();
        let _ = self.left.try_set(refused.as_ref().and_then(|refused| refused.retry_after).unwrap_or(0));
        let _ = self.refused.try_set(refused);
        let _ = self.busy.try_set(false);
    }

    /// Whether the form must not be sent now.
    pub fn is_waiting(self) -> bool {
        self.busy.get() || self.left.get() > 0
    }
}

/// Says it.
#[component]
pub fn TroubleLine(trouble: Trouble) -> impl IntoView {
    let line = move || trouble.refused.get().map(|refused| words::refused(&refused, trouble.left.get()));
    view! {
        <p class="trouble" role="alert" data-testid="trouble">
            {move || line().map(|line| view! { <Icon sign=Sign::Warning/><span>{line}</span> })}
        </p>
    }
}

/// Something to be copied, shown once.
#[component]
pub fn Handover(label: String, value: String, copied: &'static str) -> impl IntoView {
    let ui = use_ui();
    let shown = value.clone();
    view! {
        <div class="handover" role="status">
            <span>{label}</span>
            <code class="mono" data-testid="handover">{shown}</code>
            <button type="button" on:click=move |_| ui.copy(value.clone(), copied)>{text::COPY}</button>
        </div>
    }
}
