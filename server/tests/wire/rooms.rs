//! Rooms, as several clients see them.

use dialtone_server::MembersFormat;

use crate::client::Client;
use crate::{READY, pair, spawn, two};

#[tokio::test]
async fn lists_of_objects_carry_the_display_names() {
    let server = spawn(|config| config.members = MembersFormat::Objects).await;
    let (mut a, connected) = Client::stomp(&server, "r", "").await;
    let sid_a = connected.headers.get("session").unwrap().to_owned();
    let (mut b, connected) = Client::stomp(&server, "r", "").await;
    let sid_b = connected.headers.get("session").unwrap().to_owned();
    a.send("SEND\ndestination:/app/rooms/r/join\n\n{\"roomId\":\"r\",\"displayName\":\"Ada Łovelace\"}\0").await;
    assert_eq!(a.heard().await.0, "2");
    let ada = format!(r#"{{"sid":"{sid_a}","displayName":"Ada Łovelace"}}"#);
    assert_eq!(a.heard().await, pair("0", format!("[{ada}]")));
    b.join("r").await;
    assert_eq!(b.heard().await.0, "2");
    let both = pair("0", format!(r#"[{ada},{{"sid":"{sid_b}"}}]"#));
    assert_eq!(b.heard().await, both, "who gave no name has none");
    assert_eq!(a.heard().await, both);
}

#[tokio::test]
async fn a_socket_that_closes_leaves_every_room_of_its_session() {
    let server = spawn(|_| {}).await;
    let (mut a, mut b, sid_a, sid_b) = two(&server).await;
    let (mut c, connected) = Client::stomp(&server, "s", "").await;
    let sid_c = connected.headers.get("session").unwrap().to_owned();
    c.join("s").await;
    assert_eq!(c.heard().await.0, "2");
    assert_eq!(c.heard().await.0, "0");
    a.join("s").await;
    assert_eq!(a.heard().await, pair("2", format!(r#"{{"sid":"{sid_a}","roomId":"s"}}"#)));
    assert_eq!(c.heard().await, pair("0", format!(r#"["{sid_c}","{sid_a}"]"#)));
    assert_eq!(c.heard().await, pair("1", READY));

    drop(a);
    let leave = pair("1", format!(r#"{{"type":"LEAVE","sid":"{sid_a}"}}"#));
    for (client, sid) in [(&mut b, sid_b), (&mut c, sid_c)] {
        assert_eq!(client.heard().await, leave);
        assert_eq!(client.heard().await, pair("0", format!(r#"["{sid}"]"#)));
    }
}
