//! Frames that are whole, cut, and none.

use super::*;

const MASK: [u8; 4] = [1, 2, 3, 250];

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        len @ ..=125 => out.push(0x80 | u8::try_from(len).unwrap()),
        len => {
            out.push(0x80 | 126);
            out.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
    }
    out.extend(MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    out
}

fn read(bytes: &[u8], step: usize) -> Result<Vec<Event>, Violation> {
    let (mut reader, mut events) = (Reader::new(1000), Vec::new());
    for piece in bytes.chunks(step) {
        reader.feed(piece);
        while let Some(event) = reader.next()? {
            events.push(event);
        }
    }
    assert!(reader.unread.is_empty() && reader.unread.capacity() == 0);
    Ok(events)
}

#[test]
fn messages_come_whole_however_they_were_cut() {
    let long = "ü".repeat(200);
    let bytes = [
        frame(0x81, b"hi"),
        frame(0x82, &[0, 255]),
        frame(0x01, "aü".as_bytes().get(..2).unwrap()),
        frame(0x89, b"ping"),
        frame(0x80, "aü".as_bytes().get(2..).unwrap()),
        frame(0x81, long.as_bytes()),
        frame(0x8a, b""),
        frame(0x88, &[3, 233, b'x']),
    ];
    for step in [1, 3, 7, 10_000] {
        let expected = [
            Event::Frame(Frame::Text("hi".into())),
            Event::Frame(Frame::Binary(vec![0, 255].into())),
            Event::Ping("ping".into()),
            Event::Frame(Frame::Text("aü".into())),
            Event::Frame(Frame::Text(long.clone().into())),
            Event::Pong,
            Event::Close(Some(1001)),
        ];
        assert_eq!(read(&bytes.concat(), step).unwrap(), expected, "{step}");
    }
}

#[test]
fn no_bytes_do_harm() {
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..20_000 {
        let mut reader = Reader::new(1000);
        for _ in 0..random.usize(1..5) {
            // Headers that are nearly right, and whatever follows.
            let mut bytes = vec![random.choice([0x01, 0x02, 0x00, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8a, 0xff]).unwrap()];
            bytes.push(0x80 | random.u8(..));
            bytes.extend((0..random.usize(..300)).map(|_| random.u8(..)));
            reader.feed(&bytes);
        }
        while let Ok(Some(_)) = reader.next() {}
        assert!(reader.unread.len() < 2000);
    }
}

#[test]
fn violations_have_their_codes() {
    let code = |bytes: &[u8]| read(bytes, 10_000).unwrap_err().0;
    assert_eq!(code(&[0x81, 0x02, b'h', b'i']), 1002, "no mask");
    assert_eq!(code(&frame(0xc1, b"x")), 1002, "reserved bits");
    assert_eq!(code(&frame(0x83, b"x")), 1002, "reserved opcode");
    assert_eq!(code(&frame(0x8b, b"x")), 1002, "reserved control opcode");
    assert_eq!(code(&frame(0x09, b"x")), 1002, "a ping in pieces");
    assert_eq!(code(&frame(0x89, &[0; 126])), 1002, "a long ping");
    assert_eq!(code(&frame(0x80, b"x")), 1002, "a piece of nothing");
    assert_eq!(code(&[frame(0x01, b"x"), frame(0x81, b"y")].concat()), 1002, "two at once");
    assert_eq!(code(&frame(0x88, &[3])), 1002, "half a code");
    assert_eq!(code(&frame(0x88, &[3, 237])), 1002, "1005");
    assert_eq!(code(&frame(0x88, &[3, 232, 0xff])), 1007, "a reason that is no text");
    assert_eq!(code(&frame(0x81, b"\xff")), 1007);
    assert_eq!(code(&frame(0x82, &[0; 1001])), 1009);
    assert_eq!(code(&[frame(0x02, &[0; 600]), frame(0x80, &[0; 600])].concat()), 1009, "as a whole");
    assert_eq!(code(&[0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]), 1009);
}
