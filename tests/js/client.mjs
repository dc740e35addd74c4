// Two clients of @stomp/stompjs meet in a room, as the pages of real applications do.
//
//   node client.mjs ws://127.0.0.1:8080/ws
//
// The server offers heart-beats of one second. One line per check, in the manner of TAP; exit code 0 when all hold.

import { Client } from '@stomp/stompjs';
import { WebSocket } from 'ws';

// stompjs takes the WebSocket of the page where it is given only a URL.
Object.assign(globalThis, { WebSocket });

const url = process.argv[2];
const LIMIT = 20_000;
const READY = '{"type":"READY","sid":null,"sdp":null,"candidate":null}';
let checks = 0;

function check(holds, what, found) {
  checks += 1;
  console.log(`${holds ? 'ok' : 'not ok'} ${checks} - ${what}`);
  if (!holds) {
    console.log(`  found: ${JSON.stringify(found)}`);
    process.exit(1);
  }
}

function same(found, expected, what) {
  check(JSON.stringify(found) === JSON.stringify(expected), what, { found, expected });
}

/** What arrives, to be awaited one by one. */
class Inbox {
  #items = [];
  #waiting = [];

  push(item) {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(item);
    else this.#items.push(item);
  }

  next(what) {
    if (this.#items.length > 0) return Promise.resolve(this.#items.shift());
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${what} did not come within ${LIMIT} ms`)), LIMIT);
      this.#waiting.push((item) => {
        clearTimeout(timer);
        resolve(item);
      });
    });
  }

  get isEmpty() {
    return this.#items.length === 0;
  }
}

/** A connected client that listens to everything a call needs. */
class Peer {
  heard = new Inbox();
  debug = new Inbox();
  errors = [];

  static async connect(room, options) {
    const peer = new Peer();
    const connected = new Inbox();
    peer.client = new Client({
      brokerURL: url,
      reconnectDelay: 0,
      heartbeatIncoming: 1000,
      heartbeatOutgoing: 1000,
      debug: (text) => {
        if (text.startsWith('<<< PONG')) peer.debug.push(text);
      },
      onConnect: (frame) => connected.push(frame),
      onStompError: (frame) => peer.errors.push(frame.headers.message),
      onWebSocketError: (error) => peer.errors.push(String(error.message)),
      ...options,
    });
    peer.client.activate();
    peer.connected = await connected.next('CONNECTED');
    peer.sid = peer.connected.headers.session;
    const topics = {
      members: `/topic/rooms/${room}/members`,
      signal: `/topic/rooms/${room}/signal`,
      me: '/user/queue/me',
      system: '/user/queue/system',
    };
    for (const [name, destination] of Object.entries(topics)) {
      const receipt = `subscribed-${name}`;
      const done = peer.receipt(receipt);
      peer[name] = peer.client.subscribe(
        destination,
        (message) => peer.heard.push({ from: name, body: message.body, sid: message.headers.sid }),
        { receipt },
      );
      await done;
    }
    return peer;
  }

  receipt(id) {
    const inbox = new Inbox();
    this.client.watchForReceipt(id, (frame) => inbox.push(frame.headers['receipt-id']));
    return inbox.next(`receipt ${id}`);
  }

  async hears(from, what) {
    const heard = await this.heard.next(what);
    check(heard.from === from, what, heard);
    return heard;
  }

  send(room, verb, body, headers) {
    this.client.publish({ destination: `/app/rooms/${room}/${verb}`, body, headers });
  }
}

async function main() {
  const alice = await Peer.connect('r', { splitLargeFrames: true });
  same(alice.client.connectedVersion, '1.2', 'the highest version is agreed on');
  check(alice.client.webSocket.protocol === 'v12.stomp', 'with its sub-protocol', alice.client.webSocket.protocol);
  same(alice.connected.headers['heart-beat'], '1000,1000', 'the server offers heart-beats');
  // A page behind SockJS, or with headers of its own, makes the WebSocket itself.
  const bob = await Peer.connect('r', {
    brokerURL: undefined,
    webSocketFactory: () => new WebSocket(`${url}/websocket`, ['v12.stomp', 'v11.stomp', 'v10.stomp']),
    forceBinaryWSFrames: true,
  });

  alice.send('r', 'join', JSON.stringify({ roomId: 'r', displayName: 'Alice' }));
  const me = await alice.hears('me', 'the newcomer is told who it is');
  same(JSON.parse(me.body).sid, alice.sid, 'by its session id');
  same(JSON.parse((await alice.hears('members', 'then who is there')).body), [alice.sid], 'itself alone');
  bob.send('r', 'join', '');
  await bob.hears('me', 'the second one is told who it is');
  const both = [alice.sid, bob.sid];
  for (const peer of [bob, alice]) {
    same(JSON.parse((await peer.hears('members', 'both are told of both')).body), both, 'in order of joining');
    same((await peer.hears('signal', 'then calling may begin')).body, READY, 'with READY');
  }

  const offer = '{"type":"OFFER","sid":"my own label","sdp":"v=0\\r\\n","fieldOfTomorrow":[1, 2]}';
  alice.send('r', 'signal', offer);
  const relayed = await bob.hears('signal', 'an offer arrives');
  same(relayed.body, offer, 'byte for byte');
  same(relayed.sid, alice.sid, 'with the proven sender');
  same((await alice.hears('signal', 'the sender hears itself')).body, offer, 'too');

  const large = JSON.stringify({ type: 'OFFER', sdp: 'é'.repeat(30 * 1024) });
  alice.send('r', 'signal', large);
  check((await bob.hears('signal', 'a description of 60 KiB in pieces arrives')).body === large, 'whole');
  await alice.heard.next('the echo of the large offer');
  const candidate = '{"type":"CANDIDATE","candidate":"candidate:1","sdpMid":"0","sdpMLineIndex":0}';
  bob.send('r', 'signal', candidate);
  same((await alice.hears('signal', 'binary WebSocket messages are taken')).body, candidate, 'as text ones are');
  await bob.heard.next('the echo of the candidate');

  const receipt = alice.receipt('again');
  alice.send('r', 'join', '', { receipt: 'again' });
  same(await receipt, 'again', 'a receipt is given for what asks for one');
  await alice.hears('me', 'a second join is answered again');
  same(JSON.parse((await alice.hears('members', 'with who is there')).body), both, 'and nothing has changed');
  check(bob.heard.isEmpty, 'of which nobody else hears');

  await alice.debug.next('a heart-beat of the server');
  check(true, 'the server beats');
  await bob.debug.next('a heart-beat of the server');
  await bob.debug.next('another heart-beat of the server');
  check(bob.client.connected && alice.client.connected, 'and hears our beats');

  const carol = await Peer.connect('r', {});
  carol.send('r', 'join', '{}');
  const full = JSON.parse((await carol.hears('system', 'a third one is told')).body);
  same([full.code, full.message], ['ROOM_FULL', 'Room is full'], 'that the room is full');
  carol.send('else where', 'join', '{}');
  const bad = JSON.parse((await carol.hears('system', 'a bad room id is told')).body);
  same(bad.code, 'BAD_ROOM_ID', 'by its code');
  carol.send('elsewhere', 'join', '{}');
  await carol.hears('me', 'and the connection is as good as before');
  await carol.client.deactivate();

  const bobs = bob.sid;
  await bob.client.deactivate();
  same((await alice.hears('signal', 'who goes is missed')).body, `{"type":"LEAVE","sid":"${bobs}"}`, 'by name');
  same(JSON.parse((await alice.hears('members', 'and the list is told')).body), [alice.sid], 'without it');
  alice.signal.unsubscribe();
  await alice.client.deactivate();
  same([...alice.errors, ...bob.errors, ...carol.errors], [], 'nobody saw an error');
  console.log(`1..${checks}`);
}

main().then(
  () => process.exit(0),
  (error) => {
    console.log(`not ok ${checks + 1} - ${error.stack}`);
    process.exit(1);
  },
);
