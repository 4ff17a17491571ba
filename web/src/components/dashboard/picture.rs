//! A swarm drawn: peers filled by what they have, lines for what flows, the server as a square.

use leptos::prelude::*;

use crate::dashboard::layout::{Edge, Node, SERVER, SIZE, level, place};
use crate::dashboard::model::Swarm;
use crate::text::dashboard as text;

/// Lines beyond which the picture is crowded.
const CROWDED: usize = 80;

/// Lines beyond which each is so faint that peers are seen through them.
const TEEMING: usize = 600;

/// The picture. Whoever cannot see it has the table.
#[component]
pub fn Picture(swarm: Swarm, highlight: RwSignal<Option<String>>) -> impl IntoView {
    let (nodes, edges) = place(&swarm);
    let frame = ["0 0 ", &SIZE.0.to_string(), " ", &SIZE.1.to_string()].concat();
    // Where lines cover each other they are drawn thin.
    let class = match edges.len() {
        0..=CROWDED => "swarm-picture",
        edges if edges <= TEEMING => "swarm-picture crowded",
        _ => "swarm-picture crowded teeming",
    };
    let http = swarm.flows.iter().any(|flow| flow.kind() == "http");
    let edges = edges.into_iter().map(line).collect::<Vec<_>>();
    let nodes = nodes.into_iter().map(|node| shape(node, highlight)).collect::<Vec<_>>();
    view! {
        <svg class=class viewBox=frame role="img" aria-label=text::PICTURE data-testid="swarm-picture">
            <defs>
                <marker id="arrow" viewBox="0 0 6 6" refX="5" refY="3" markerWidth="5" markerHeight="5" orient="auto-start-reverse">
                    <path d="M0 0L6 3L0 6z" fill="context-stroke"></path>
                </marker>
            </defs>
            {edges}
            {nodes}
        </svg>
        <ul class="legend note">
            <li><i class="swatch direct" aria-hidden="true"></i>{text::KEY_FULL}</li>
            <li><i class="swatch requested" aria-hidden="true"></i>{text::KEY_UNKNOWN}</li>
            {http.then(|| view! { <li><i class="swatch line http" aria-hidden="true"></i>"HTTP"</li> })}
            <li><i class="swatch line webrtc" aria-hidden="true"></i>"WebRTC, TCP"</li>
        </ul>
    }
}

fn line(edge: Edge) -> impl IntoView {
    let Edge { path, kind, width } = edge;
    view! { <path class=["flow ", &kind].concat() d=path stroke-width=width.to_string() marker-end="url(#arrow)" data-testid="flow"></path> }
}

fn shape(node: Node, highlight: RwSignal<Option<String>>) -> impl IntoView {
    let known = node.progress.is_some();
    let fill = level(&node);
    let class = if known { "rim" } else { "rim unknown" };
    let (id, hovered, of) = (node.id.clone(), node.id.clone(), node.id.clone());
    let bright = move || highlight.with(|which| which.as_deref() == Some(of.as_str()));
    let n = |value: f64| value.to_string();
    let Node { x, y, radius, server, .. } = node;
    let label = (radius > 8.0).then(|| {
        let words = if server { text::SERVER.to_owned() } else { id.get(..4).unwrap_or(&id).to_owned() };
        view! { <text x=n(x) y=n(y + radius + 13.0)>{words}</text> }
    });
    let title = if id == SERVER { text::KEY_SERVER.to_owned() } else { id };
    let body = if server {
        let (left, top, side) = (n(x - radius), n(y - radius), n(2.0 * radius));
        view! { <rect class="rim server" x=left y=top width=side.clone() height=side rx="3"></rect> }
            .into_any()
    } else {
        view! {
            <circle class=class cx=n(x) cy=n(y) r=n(radius)></circle>
            <path class="level" d=fill></path>
        }
        .into_any()
    };
    view! {
        <g class="node" class:bright=bright data-testid="node"
            on:pointerenter=move |_| highlight.set(Some(hovered.clone())) on:pointerleave=move |_| highlight.set(None)>
            <title>{title}</title>
            {body}
            {label}
        </g>
    }
}
