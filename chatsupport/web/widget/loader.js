"use strict";
// %ASSETS% %SOCKETIO% %INTEGRITY%
