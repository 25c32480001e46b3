/* Ask a network. */
"use strict";
