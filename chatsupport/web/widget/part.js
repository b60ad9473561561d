// Values that only parts have (use.js).
export const { words } = given;
