// A worker that says when it is time for the next picture: the interval in milliseconds comes in, ticks go out.
"use strict";

onmessage = ({ data: interval }) => {
  let next = performance.now();
  const tick = () => {
    postMessage(null);
    // Counted from the start, so that late ticks do not add up; what is long overdue is left out.
    next = Math.max(next + interval, performance.now() - interval);
    setTimeout(tick, next - performance.now());
  };
  tick();
};
