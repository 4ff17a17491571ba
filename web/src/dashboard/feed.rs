//! Server-sent events (HTML, 9.2), as far as the tracker uses them. Read from a request of our own: `EventSource` sends no
//! token.

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its name.
    pub event: String,
    /// What it says.
    pub data: String,
}

/// Longest message: 120 sets of numbers and 200 events, a few times over. Beyond it the feed is none of ours.
const LONGEST: usize = 4 * 1024 * 1024;

/// Takes bytes as they come and gives whole messages.
#[derive(Debug, Default)]
pub struct Parser {
    waiting: Vec<u8>,
}

impl Parser {
    /// Takes what came; answers what is whole with it. `None` if a message has no end.
    pub fn take(&mut self, bytes: &[u8]) -> Option<Vec<Message>> {
        // The end may have come in two parts.
        let mut from = self.waiting.len().saturating_sub(1);
        self.waiting.extend_from_slice(bytes);
        let (mut messages, mut begun) = (Vec::new(), 0);
        while let Some(end) = self.waiting[from..].windows(2).position(|pair| pair == b"\n\n") {
            messages.extend(read(&self.waiting[begun..from + end]));
            begun = from + end + 2;
            from = begun;
        }
        self.waiting.drain(..begun);
        (self.waiting.len() <= LONGEST).then_some(messages)
    }
}

/// A message without its end; `None` of one that says nothing, like a comment.
fn read(bytes: &[u8]) -> Option<Message> {
    let text = String::from_utf8_lossy(bytes);
    let (mut event, mut data) = (String::new(), Vec::new());
    for line in text.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => event = value.to_owned(),
            "data" => data.push(value),
            _ => {}
        }
    }
    (!data.is_empty()).then(|| Message { event, data: data.join("\n") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_whole_however_they_are_cut() {
        let text = "event: begin\ndata: {\"a\":\"\u{e9}\"}\n\n: nothing\n\nevent:tick\ndata:1\ndata: 2\n\nevent: half\nda";
        let message = |event: &str, data: &str| Message { event: event.to_owned(), data: data.to_owned() };
        let expected = [message("begin", "{\"a\":\"\u{e9}\"}"), message("tick", "1\n2")];
        for length in 1..text.len() {
            let mut parser = Parser::default();
            let read: Vec<Message> =
                text.as_bytes().chunks(length).flat_map(|part| parser.take(part).expect("short")).collect();
            assert_eq!(read, expected, "in parts of {length}");
            assert_eq!(parser.take(b"ta: 3\n\n"), Some(vec![message("half", "3")]));
        }
    }

    #[test]
    fn a_message_without_an_end_is_given_up() {
        let mut parser = Parser::default();
        let part = vec![b'x'; 1024 * 1024];
        assert!((0..4).all(|_| parser.take(&part).is_some()));
        assert_eq!(parser.take(&part), None);
    }
}
