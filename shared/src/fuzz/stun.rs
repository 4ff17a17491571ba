use core::net::SocketAddr;

use crate::stun::{Message, Writer, answer_binding, attribute, is_stun};

/// What is read has attributes within the message, survives being written, and an answer is never much longer.
pub fn stun(data: &[u8]) {
    let remote = SocketAddr::from(([192, 0, 2, 1], 7));
    let mut reply = Vec::new();
    let answered = answer_binding(data, remote, &mut reply);
    assert_eq!(answered, !reply.is_empty());
    assert!(reply.len() * 10 <= data.len() * 22, "an answer of {} to {} bytes", reply.len(), data.len());
    let Ok(message) = Message::parse(data) else { return assert!(!answered) };
    assert!(is_stun(data));
    if answered {
        let reply = Message::parse(&reply).unwrap_or_else(|error| panic!("ours: {error}"));
        assert_eq!(reply.transaction, message.transaction);
        assert_eq!(reply.has_fingerprint(), message.has_fingerprint());
    }
    let mut again = Vec::new();
    let mut writer = Writer::new(&mut again, message.class, message.method, message.transaction);
    for attribute in message.attributes().filter(|attribute| attribute.kind != attribute::FINGERPRINT) {
        writer.attribute(attribute.kind, |out| out.extend_from_slice(attribute.value));
    }
    if message.has_fingerprint() {
        writer.fingerprint();
    }
    let read = Message::parse(&again).unwrap_or_else(|error| panic!("ours: {error}"));
    let attributes = |message: &Message<'_>| {
        let kept = message.attributes().filter(|attribute| attribute.kind != attribute::FINGERPRINT);
        kept.map(|attribute| (attribute.kind, attribute.value.to_vec())).collect::<Vec<_>>()
    };
    assert_eq!(attributes(&read), attributes(&message));
}
