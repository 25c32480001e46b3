/* The forward pass. */
"use strict";
