#!/usr/bin/env node
// A file of its own, there before the first build: npm links only commands that exist when it installs.
import "../dist/cli.js";
