// Chromium for the scripts here: the one of the system, without a network beyond this machine.
import { chromium } from "playwright-core";

export const browser = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--autoplay-policy=no-user-gesture-required"],
  });
