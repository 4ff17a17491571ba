use fast_qr::qr::QRBuilder;
use fast_qr::{ECL, Module, QRCode};
use leptos::prelude::*;

/// A QR code, dark on light in either theme: cameras expect it so.
#[component]
pub fn Qr(content: String, label: &'static str) -> impl IntoView {
    let Ok(code) = QRBuilder::new(content).ecl(ECL::L).build() else { return ().into_any() };
    let side = (code.size + 2 * QUIET).to_string();
    let area = ["0 0 ", &side, " ", &side].concat();
    view! {
        <svg class="qr" viewBox=area role="img" aria-label=label shape-rendering="crispEdges">
            <path d=outline(&code)></path>
        </svg>
    }
    .into_any()
}

/// Modules of light around the code; the standard asks for four, and the tile has light of its own.
const QUIET: usize = 2;

/// One run of dark modules of a row after the other.
fn outline(code: &QRCode) -> String {
    let mut path = String::new();
    for row in 0..code.size {
        let modules: &[Module] = &code[row];
        let mut column = 0;
        while column < code.size {
            let length = modules[column..].iter().take_while(|module| module.value()).count();
            if length > 0 {
                let (x, y) = ((column + QUIET).to_string(), (row + QUIET).to_string());
                let length = length.to_string();
                for part in ["M", &x, " ", &y, "h", &length, "v1h-", &length, "z"] {
                    path.push_str(part);
                }
            }
            column += length + 1;
        }
    }
    path
}
