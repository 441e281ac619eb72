/**
 * What makes a page live in a browser: tables that renew themselves, plots, keys. Pages are whole
 * without it.
 *
 * @module
 */
/*!
 * Contains uPlot 1.6.32, Copyright (c) 2025 Leon Sorokin. Permission is hereby granted, free of charge,
 * to any person obtaining a copy of this software and associated documentation files (the "Software"),
 * to deal in the Software without restriction, including without limitation the rights to use, copy,
 * modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
 * persons to whom the Software is furnished to do so, subject to the following conditions: The above
 * copyright notice and this permission notice shall be included in all copies or substantial portions
 * of the Software. THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND.
 */
import { keys } from "./keys.ts";
import { Live } from "./live.ts";
import { Plots } from "./plots.ts";

const base = document.body.dataset.base ?? "/";
const plots = new Plots(base);
const live = new Live(() => plots.renew());
keys(live);
live.start();
