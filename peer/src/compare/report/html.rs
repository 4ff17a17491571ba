//! One file for a browser: no script, nothing fetched, light and dark by what the reader prefers.

use std::fmt::Write as _;

use super::super::model::{Environment, Report};
use super::plot::{self, letter};
use super::svg::escape;
use super::{Row, beside, figures, receivers, rows, spread, verdict};

const STYLE: &str = include_str!("style.css");

/// For a browser.
pub fn html(report: &Report) -> String {
    let rows = rows(report);
    let environment = &report.environment;
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <title>Piecemeal: protocols compared</title><style>{STYLE}</style></head><body><main>\n"
    );
    head(&mut page, environment);
    let sentences = verdict::sentences(report, &rows);
    if !sentences.is_empty() {
        page += "<section aria-labelledby=\"verdict\"><h2 id=\"verdict\">Verdict</h2>";
        paragraphs(&mut page, "verdict", &sentences);
        list(&mut page, "Mind that", &environment.caveats);
        page += "</section>\n";
    }
    for (number, (case, measured)) in receivers::cases(report).into_iter().enumerate() {
        let _ =
            write!(page, "<section><h2>Many receivers</h2><p class=\"lead\">{}</p>", escape(&case.title()));
        page += "<p>Until the last receiver has the file. Dashed: what no scheme can beat, from the shaped rates less the \
                 share of headers in full TCP segments: D_cs = max(N·F/u_s, F/d) when the server sends every copy, \
                 D_p2p = max(F/u_s, F/d, N·F/(u_s + Σu_i)) when receivers send too.</p>";
        figure(&mut page, &plot::completion(&format!("completion{number}"), &case, &measured));
        page += "<p>Copies of the file that left the server, headers included.</p>";
        figure(&mut page, &plot::egress(&format!("egress{number}"), &case, &measured));
        page += "<details><summary>As a table</summary>";
        many_table(&mut page, &measured);
        page += "</details></section>\n";
    }
    let mut sizes: Vec<u64> = rows.iter().map(|row| row.size).collect();
    sizes.dedup();
    for size in sizes.into_iter().rev() {
        let at: Vec<&Row<'_>> = rows.iter().filter(|row| row.size == size).collect();
        one_size(&mut page, size, &at, environment.parallel);
    }
    beside::section(&mut page, report);
    method(&mut page, report);
    page += "</main></body></html>\n";
    page
}

fn head(page: &mut String, environment: &Environment) {
    let Environment { system, processor, cores, server, version, seed, .. } = environment;
    let wire = if environment.namespaces { "measured on a link of its own" } else { "modelled below TLS" };
    let _ = write!(
        page,
        "<header><h1>The same bytes, each way</h1><p class=\"lead\">HTTP/1.1, HTTP/2 and BitTorrent compared by Piecemeal \
         {}: rate, time, processor, and every byte on the wire ({wire}).</p><p class=\"note\">{}, {cores} cores · {} · \
         seed {seed} · {}</p></header>",
        escape(version),
        escape(processor),
        escape(system),
        escape(server)
    );
}

fn one_size(page: &mut String, size: u64, rows: &[&Row<'_>], parallel: u32) {
    let title = plot::size_title(size, parallel);
    let _ = write!(page, "<section><h2>{}</h2>", escape(&title));
    let _ = write!(
        page,
        "<h3>Goodput</h3><p class=\"note\">Content a second. Every run is a point; the tick is the median, the bar its {}.</p>",
        spread(rows.iter().copied())
    );
    let name = format!("Goodput of each lane, {title}");
    figure(page, &plot::points(&format!("goodput{size}"), &name, rows, |run| run.goodput, figures::rate));
    page.push_str("<h3>Time to the first byte</h3>");
    let name = format!("Time to the first byte of each lane, {title}");
    figure(
        page,
        &plot::points(&format!("first{size}"), &name, rows, |run| run.ttfb_seconds, figures::seconds),
    );
    let measured = rows.iter().all(|row| row.is_measured());
    let how = if measured { "measured" } else { "below TLS modelled" };
    let _ = write!(
        page,
        "<h3>On the wire beside the content</h3><p class=\"note\">Both directions, in hundredths of the file; {how}.</p>"
    );
    if let Some(row) = rows.iter().find(|row| !row.shares.is_empty()) {
        page.push_str("<p class=\"key\">");
        for (part, (layer, _)) in row.shares.iter().enumerate() {
            let _ = write!(page, "<span class=\"swatch part{part}\"></span>{layer} ");
        }
        page.push_str("</p>");
    }
    figure(page, &plot::overhead(&format!("wire{size}"), &format!("Overhead by layer, {title}"), rows));
    size_table(page, rows);
    page.push_str("</section>\n");
}

fn size_table(page: &mut String, rows: &[&Row<'_>]) {
    page.push_str(
        "<div class=\"wide\"><table><thead><tr><th>Lane</th><th>Completed</th><th>Goodput</th><th>Interval</th><th>Time</th>\
         <th>First byte</th><th>Wire ÷ file</th><th>Sent again</th><th>Server sent</th><th>CPU s/GB, server</th><th>client</th></tr></thead><tbody>",
    );
    let dash = || "–".to_owned();
    for row in rows {
        let median = |summary: Option<super::Summary>, how: fn(f64) -> String| {
            summary.map_or_else(dash, |summary| how(summary.median))
        };
        let interval = row.goodput.map_or_else(dash, |goodput| {
            format!("{} to {}", figures::rate(goodput.low), figures::rate(goodput.high))
        });
        let (server, client) = row.processor.map_or_else(
            || (dash(), dash()),
            |(server, client)| (format!("{server:.2}"), format!("{client:.2}")),
        );
        let cells = [
            format!("{}/{}", row.completed.len(), row.made),
            median(row.goodput, figures::rate),
            interval,
            median(row.seconds, figures::seconds),
            median(row.first_byte, figures::seconds),
            median(row.overhead, |overhead| format!("{overhead:.4}")),
            row.retransmits.map_or_else(dash, figures::bytes),
            row.egress.map_or_else(dash, figures::bytes),
            server,
            client,
        ];
        let _ = write!(page, "<tr><th scope=\"row\">{} {}</th>", letter(row.lane), escape(row.lane.title()));
        for cell in cells {
            let _ = write!(page, "<td>{}</td>", escape(&cell));
        }
        page.push_str("</tr>");
    }
    page.push_str("</tbody></table></div>");
}

fn many_table(page: &mut String, list: &[&super::super::model::Receivers]) {
    page.push_str(
        "<div class=\"wide\"><table><thead><tr><th>Lane</th><th>Mode</th><th>N</th><th>Last</th><th>Median</th><th>Bound</th>\
         <th>Last ÷ bound</th><th>Copies sent</th></tr></thead><tbody>",
    );
    for many in list {
        let show = |figure: Option<f64>, how: fn(f64) -> String| figure.map_or_else(|| "–".to_owned(), how);
        let _ =
            write!(page, "<tr><th scope=\"row\">{} {}</th>", letter(many.lane), escape(many.lane.title()));
        for cell in [
            many.mode.name().to_owned(),
            many.n.to_string(),
            show(many.seconds_last, figures::seconds),
            show(many.seconds_median, figures::seconds),
            figures::seconds(many.bound_seconds),
            show(many.over_bound(), |ratio| format!("{ratio:.2}")),
            show(many.copies(), |copies| format!("{copies:.2}")),
        ] {
            let _ = write!(page, "<td>{}</td>", escape(&cell));
        }
        page.push_str("</tr>");
    }
    page.push_str("</tbody></table></div>");
}

fn method(page: &mut String, report: &Report) {
    let Environment { held_equal, windows, modelled, .. } = &report.environment;
    page.push_str("<section><h2>How it was measured</h2>");
    list(page, "Held equal", held_equal);
    list(page, "Receive windows, which govern a download", windows);
    list(page, "Modelled, not measured", modelled);
    page.push_str(
        "<h3>Reading the figures</h3><p>Medians. The interval lies between two of the runs (order statistics) and supposes nothing \
         of how they are distributed; with six runs or more it \
         covers 95 %, with fewer it is their range. Two lanes are said to differ if their intervals do not overlap and each has four \
         runs at least. BitTorrent over TCP is to be judged beside HTTP in \
         clear, WebRTC, which always encrypts, beside HTTP over TLS; an asterisk marks what is encrypted.</p>\
         <p>Layers: application is what stands above TLS beside the content (headers, frames, messages, content that came twice); security is TLS \
         with its handshake, or the records of DTLS; transport is TCP, or UDP and SCTP, with whatever was sent again, and over WebRTC \
         with STUN and the handshake of DTLS; network is IP; link layer is \
         Ethernet and ARP. Each is counted by itself, but for what was sent again and what a \
         hybrid transfer was sent and never read, which IP carried beyond what else was counted, and SCTP, which is what datagrams \
         hold beyond messages and DTLS. Their sum is held against the link’s own counter, from which none of them comes.</p>",
    );
    let worst = report
        .runs
        .iter()
        .filter_map(|run| run.wire.filter(|wire| wire.measured && wire.link > 0))
        .map(|wire| (wire.discrepancy() as f64 / wire.link as f64, wire.discrepancy()))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    if let Some((share, bytes)) = worst {
        let _ = write!(
            page,
            "<p>Of all transfers here, the sum misses the counter by {} at most ({bytes} bytes).</p>",
            figures::percent(share)
        );
    }
    let failed: Vec<String> = report
        .runs
        .iter()
        .filter(|run| !run.ok)
        .map(|run| {
            format!("{}, {}: {}", run.lane, super::Size(run.size), run.error.as_deref().unwrap_or("unknown"))
        })
        .collect();
    list(page, "What went wrong", &failed);
    page.push_str("</section>\n");
}

fn figure(page: &mut String, svg: &str) {
    let _ = write!(page, "<figure class=\"wide\">{svg}</figure>");
}

fn paragraphs(page: &mut String, class: &str, sentences: &[String]) {
    for sentence in sentences {
        let _ = write!(page, "<p class=\"{class}\">{}</p>", escape(sentence));
    }
}

fn list(page: &mut String, title: &str, sentences: &[String]) {
    if sentences.is_empty() {
        return;
    }
    let _ = write!(page, "<h3>{}</h3><ul>", escape(title));
    for sentence in sentences {
        let _ = write!(page, "<li>{}</li>", escape(sentence));
    }
    page.push_str("</ul>");
}
