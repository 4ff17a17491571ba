// The ceiling: nothing but one ordered, reliable data channel that is kept full. Runs on the page, and again in a
// worker that the channel is transferred to.

function carry(channel, report) {
  channel.binaryType = "arraybuffer";
  channel.bufferedAmountLowThreshold = 1 << 20;
  let first;
  let received = 0;
  channel.onmessage = ({ data }) => {
    first ??= performance.now();
    received += data.byteLength;
    report({ received, milliseconds: performance.now() - first });
  };
  channel.onopen = () => report({ open: true });
  channel.onclose = () => report({ open: false });
  if (channel.readyState === "open") report({ open: true });
  return {
    send(total, size) {
      const message = new Uint8Array(size);
      crypto.getRandomValues(message.subarray(0, 65536));
      let left = total;
      const fill = () => {
        while (left > 0 && channel.bufferedAmount < 4 << 20) {
          channel.send(left >= size ? message : message.subarray(0, left));
          left -= size;
        }
      };
      channel.onbufferedamountlow = fill;
      fill();
    },
    reset() {
      first = undefined;
      received = 0;
    },
  };
}

if (typeof document === "undefined") {
  let carried;
  let posted = 0;
  self.onmessage = ({ data }) => {
    if (data.channel) {
      carried = carry(data.channel, (state) => {
        // Four times a second, and at the end: the report must not be what is measured.
        if ("open" in state || performance.now() - posted > 250 || state.received >= self.expected) {
          posted = performance.now();
          self.postMessage(state);
        }
      });
    } else if (data.expect) {
      self.expected = data.expect;
      carried.reset();
      self.postMessage({ expecting: data.expect });
    } else {
      carried.send(data.total, data.size);
    }
  };
} else {
  const connection = new RTCPeerConnection({ iceServers: [] });
  const state = { open: false, received: 0, milliseconds: 0 };
  let carried;
  let worker;

  const take = (channel, inWorker) => {
    if (inWorker) {
      worker = new Worker("/raw-channel.js", { type: "module" });
      worker.onmessage = ({ data }) => Object.assign(state, data);
      worker.postMessage({ channel }, [channel]);
    } else {
      carried = carry(channel, (news) => Object.assign(state, news));
    }
  };
  const gathered = () =>
    new Promise((resolve) => {
      const check = () => connection.iceGatheringState === "complete" && resolve(connection.localDescription.toJSON());
      connection.onicegatheringstatechange = check;
      check();
    });

  window.raw = {
    state: () => state,
    async offer(inWorker) {
      take(connection.createDataChannel("raw"), inWorker);
      await connection.setLocalDescription();
      return gathered();
    },
    async answer(offer, inWorker) {
      connection.ondatachannel = ({ channel }) => take(channel, inWorker);
      await connection.setRemoteDescription(offer);
      await connection.setLocalDescription();
      return gathered();
    },
    async accept(answer) {
      await connection.setRemoteDescription(answer);
      return true;
    },
    expect(total) {
      state.received = 0;
      if (worker) worker.postMessage({ expect: total });
      else carried.reset();
      return true;
    },
    send(total, size) {
      if (worker) worker.postMessage({ total, size });
      else carried.send(total, size);
      return true;
    },
  };
}
