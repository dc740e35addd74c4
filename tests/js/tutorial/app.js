// A video call for two over a Spring STOMP signaling server.
//
// Settings are in the address:
//   server      http://localhost:8080
//   room        r1
//   transport   websocket (default) or sockjs
//   candidates  nested (default) or flat
//   caller      smallest (default) or largest: by session id; first or second: by the order of joining
//   stubborn    a caller does not listen to the offers of others

const params = new URLSearchParams(location.search);
const server = params.get("server") ?? "http://localhost:8080";
const roomId = params.get("room") ?? "r1";
const callerRule = params.get("caller") ?? "smallest";

const rtcConfig = { iceServers: [] };

let stompClient = null;
let localStream = null;
let pc = null;
let mySid = null;
let members = [];

const localVideo = document.getElementById("localVideo");
const remoteVideo = document.getElementById("remoteVideo");
document.getElementById("joinButton").onclick = join;
document.getElementById("leaveButton").onclick = leave;

function setStatus(text) {
  document.getElementById("status").textContent = text;
}

async function join() {
  localStream = await navigator.mediaDevices.getUserMedia({ video: true, audio: true });
  localVideo.srcObject = localStream;

  stompClient = new StompJs.Client({
    onConnect: onConnected,
    onStompError: (frame) => setStatus(`Error: ${frame.headers.message}`),
    onWebSocketClose: () => setStatus("Disconnected"),
  });
  if (params.get("transport") === "sockjs") {
    stompClient.webSocketFactory = () => new SockJS(`${server}/ws`);
  } else {
    stompClient.brokerURL = `${server.replace(/^http/, "ws")}/ws`;
  }
  stompClient.activate();
}

function onConnected() {
  stompClient.subscribe("/user/queue/me", (message) => {
    mySid = JSON.parse(message.body).sid;
    setStatus("Waiting for the other one");
  });
  stompClient.subscribe("/user/queue/system", (message) => setStatus(JSON.parse(message.body).message));
  stompClient.subscribe(`/topic/rooms/${roomId}/members`, (message) => {
    members = JSON.parse(message.body);
  });
  stompClient.subscribe(`/topic/rooms/${roomId}/signal`, (message) => onSignal(JSON.parse(message.body)));

  stompClient.publish({
    destination: `/app/rooms/${roomId}/join`,
    body: JSON.stringify({ roomId, displayName: "Guest" }),
  });
}

function sendSignal(signal) {
  stompClient.publish({
    destination: `/app/rooms/${roomId}/signal`,
    body: JSON.stringify({ sid: mySid, ...signal }),
  });
}

function isCaller() {
  if (callerRule === "first") return members[0] === mySid;
  if (callerRule === "second") return members[1] === mySid;
  const sorted = [...members].sort();
  return (callerRule === "largest" ? sorted[1] : sorted[0]) === mySid;
}

async function onSignal(signal) {
  // The topic sends our own signals back to us.
  if (signal.sid === mySid) return;

  if (signal.type === "READY") {
    if (isCaller()) await call();
  } else if (signal.type === "OFFER") {
    if (params.has("stubborn") && isCaller()) return;
    await answer(signal.sdp);
  } else if (signal.type === "ANSWER") {
    await pc.setRemoteDescription({ type: "answer", sdp: signal.sdp });
  } else if (signal.type === "CANDIDATE") {
    await pc.addIceCandidate(toCandidate(signal));
  } else if (signal.type === "LEAVE") {
    hangUp();
    setStatus("The other one left");
  }
}

function toCandidate(signal) {
  if (typeof signal.candidate === "object") return signal.candidate;
  return { candidate: signal.candidate, sdpMid: signal.sdpMid, sdpMLineIndex: signal.sdpMLineIndex };
}

function createPeerConnection() {
  pc?.close();
  pc = new RTCPeerConnection(rtcConfig);
  localStream.getTracks().forEach((track) => pc.addTrack(track, localStream));
  pc.ontrack = (event) => {
    remoteVideo.srcObject = event.streams[0];
  };
  pc.onicecandidate = (event) => {
    if (!event.candidate) return;
    const { candidate, sdpMid, sdpMLineIndex } = event.candidate;
    if (params.get("candidates") === "flat") {
      sendSignal({ type: "CANDIDATE", candidate, sdpMid, sdpMLineIndex });
    } else {
      sendSignal({ type: "CANDIDATE", candidate: { candidate, sdpMid, sdpMLineIndex } });
    }
  };
  pc.onconnectionstatechange = () => setStatus(pc.connectionState);
}

async function call() {
  createPeerConnection();
  const offer = await pc.createOffer();
  await pc.setLocalDescription(offer);
  sendSignal({ type: "OFFER", sdp: offer.sdp });
}

async function answer(sdp) {
  createPeerConnection();
  await pc.setRemoteDescription({ type: "offer", sdp });
  const answer = await pc.createAnswer();
  await pc.setLocalDescription(answer);
  sendSignal({ type: "ANSWER", sdp: answer.sdp });
}

function hangUp() {
  pc?.close();
  pc = null;
  remoteVideo.srcObject = null;
}

async function leave() {
  stompClient.publish({ destination: `/app/rooms/${roomId}/leave` });
  await stompClient.deactivate();
  hangUp();
  localStream.getTracks().forEach((track) => track.stop());
  setStatus("Left");
}
